"""A command in what was said: `!why`, or `bot: !why`. Pure."""

from __future__ import annotations

import re

import msgspec

from chatbot.messages import ChatMessage
from chatbot.policy import Rules

_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,31})[?!.]?(?:\s+(.*))?", re.DOTALL)
_ADDRESS = re.compile(r"\s*[:,]?\s+")
_FIRST_WORD = re.compile(r"\S+\s+")


def command_in(message: ChatMessage, prefix: str) -> tuple[str, str] | None:
    """Return the command that `message` is, in small letters, and its arguments; else `None`.

    Whether there is such a command is not known here. Behind the bot's name, or behind one word
    where the message addresses it in a room (platforms write names in their own ways).
    """
    if not prefix or prefix not in message.text:
        return None
    text = message.text.strip()
    if not text.startswith(prefix):
        text = _behind_the_name(text, message)
    if not text.startswith(prefix):
        return None
    found = _NAME.fullmatch(text[len(prefix) :])
    return (found[1].lower(), (found[2] or "").strip()) if found else None


def with_command(message: ChatMessage, rules: Rules) -> ChatMessage:
    """Return `message` with the command that it is, whether there is such a one or not."""
    called = command_in(message, rules.prefix) if message.kind == "message" else None
    if called is None:
        return message
    command, arguments = called
    return msgspec.structs.replace(message, command=command, arguments=arguments)


def own_command(message: ChatMessage, rules: Rules) -> ChatMessage:
    """Return `message` with the command that it is, where the flow itself deals with that."""
    called = command_in(message, rules.prefix) if rules.own else None
    if called is None or called[0] not in rules.own:
        return message
    command, arguments = called
    return msgspec.structs.replace(message, command=command, arguments=arguments)


def _behind_the_name(text: str, message: ChatMessage) -> str:
    said, nick = text.removeprefix("@"), message.nick
    if nick and said[: len(nick)].casefold() == nick.casefold():
        found = _ADDRESS.match(said, len(nick))
        if found:
            return said[found.end() :]
    if message.addressed and not message.private:
        first = _FIRST_WORD.match(text)
        if first:
            return text[first.end() :]
    return text
