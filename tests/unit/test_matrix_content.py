"""A reply that has a plain form shows it where formatted text is not shown."""

from __future__ import annotations

from chatbot.listeners.matrix.content import contents
from chatbot.listeners.matrix.settings import MatrixSettings
from chatbot.messages import Outcome, Reply


def test_the_plain_form_is_the_body_and_the_markdown_the_formatted_one() -> None:
    reply = Reply(r"**a\*b**", markdown=True, plain="a*b")
    settings = MatrixSettings(user="@bot:example.org")
    [content] = contents(Outcome("$1", "m", "!r:example.org", "@a:example.org", (reply,)), settings)
    assert content["body"] == "a*b"
    assert content["formatted_body"] == "<p><strong>a*b</strong></p>"
    [content] = contents(
        Outcome("$1", "m", "!r:example.org", "@a:example.org", (Reply("x", markdown=True),)),
        settings,
    )
    assert (content["body"], content["formatted_body"]) == ("x", "<p>x</p>")
