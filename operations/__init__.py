"""DFFML operations, one capability a file."""

import chatbot  # noqa: F401 - repairs DFFML before an operation imports it
