"""`chatbot questions`: what was asked and how it was answered, as the nodes share it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatbot.broker import questions
from chatbot.broker.questions import Question
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.errors import BrokerError, UsageError

ID = 10
"""Letters of a key that are shown; fewer do, where they fit only one."""


async def every(nats: str | None, data: Path | None, index: str | None = None) -> list[Question]:
    """Return what is kept, oldest first; of one index where one is named."""
    async with connected(nats, data, "chatbot-questions") as broker:
        try:
            return await questions.every(broker, index)
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error


async def remove(
    nats: str | None, data: Path | None, ids: tuple[str, ...], index: str | None
) -> list[Question]:
    """Erase those with these ids, all of them or none; return them."""
    async with connected(nats, data, "chatbot-questions") as broker:
        try:
            found = chosen(await questions.every(broker, index), ids)
            for each in found:
                await questions.remove(broker, each)
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error
    return found


def chosen(known: list[Question], ids: tuple[str, ...]) -> list[Question]:
    """Return those of `known` that `ids` begin like; `UsageError` for none or several."""
    found: list[Question] = []
    for wanted in ids:
        fitting = [each for each in known if each.key.startswith(wanted)]
        if len(fitting) != 1:
            what = "several questions have" if fitting else "no question has"
            raise UsageError(
                f"{what} an id that begins with {wanted!r}",
                hint="`chatbot questions list` shows them",
            )
        found.extend(each for each in fitting if each not in found)
    return found


def summary(question: Question) -> dict[str, Any]:
    """Return a question for programs."""
    return {
        "id": question.key,
        "index": question.index,
        "network": question.network,
        "room": question.room,
        "sender": question.sender,
        "asked": question.asked,
        "question": question.text,
        "answer": question.answer,
        "by": question.by,
        "answered": question.answered,
    }


def show(found: list[Question], screen: Screen) -> None:
    """Show a table, with what people wrote, which is what it is for."""
    from rich.table import Table
    from rich.text import Text

    if not found:
        screen.out.print("There are no questions.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("ID", "INDEX", "WHERE", "ASKED", "QUESTION", "ANSWER"):
        table.add_column(title, overflow="fold" if title in ("QUESTION", "ANSWER") else "ellipsis")
    for each in found:
        where = f"{each.network} {each.room}"
        day = f"{each.asked:%Y-%m-%d}"
        words = (each.key[:ID], each.index, where, day, each.text, each.answer or "–")
        table.add_row(*(Text(word) for word in words))
    screen.out.print(table)
