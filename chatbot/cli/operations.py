"""`chatbot operations`."""

from __future__ import annotations

import click


@click.group()
def operations() -> None:
    """Write operations for flows.

    \b
    Examples:
      chatbot operations new is_question
      chatbot operations check is_question.py
    """
