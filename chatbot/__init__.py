"""A chat bot built on distributed dataflows.

Importing the package installs a lazy hook that repairs DFFML when it is first imported;
neither DFFML nor torch is imported before something needs it.
"""

from chatbot import dffml_compat

__version__ = "0.1.0"

dffml_compat.install()
