"""`!help`: which commands there are, and how they are written."""

from __future__ import annotations

from chatbot.errors import UsageError
from chatbot.flowfile.problems import suggest
from chatbot.orchestrator.commands.command import Answer, Asked, Command


async def _help(asked: Asked) -> Answer:
    prefix, word = asked.rules.prefix, asked.message.arguments
    if not word:
        known = [_usage(asked, name) for name in asked.known if asked.known.get(name)]
        shown = ", ".join([*known, *(prefix + name for name in asked.rules.own)])
        return Answer(f"{shown}; more of one: {prefix}help why")
    name = word.split()[0].removeprefix(prefix).lower()[:32]
    command = asked.known.get(name)
    if command is None:
        hint = suggest(name, asked.known)
        raise UsageError("there is no such command", hint=hint)
    role = f", for who has the role {command.role}" if command.role else ""
    return Answer(f"{_usage(asked, name)}: {command.summary}{role}")


def _usage(asked: Asked, name: str) -> str:
    return f"{asked.rules.prefix}{name} {asked.known[name].arguments}".strip()


COMMAND = Command("say which commands there are", _help, arguments="[COMMAND]")
