"""The listener for Matrix, of which Gitter is a part. Its libraries load when it runs."""

from chatbot.listeners.matrix.listener import MatrixListener
from chatbot.listeners.matrix.settings import MatrixSettings, Timing

__all__ = ["MatrixListener", "MatrixSettings", "Timing"]
