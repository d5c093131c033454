"""Replies as events have them. Pure.

The rule that it guards: no text of anybody's becomes markup, and no event is beyond the limit.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chatbot.listeners.matrix import text
from chatbot.listeners.matrix.events import is_event_id, is_user
from chatbot.listeners.matrix.settings import MatrixSettings
from chatbot.messages import Outcome, Reply, origin

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

PIECE = 16 * 1024
"""Bytes of text in one message."""
MOST = 40 * 1024
"""Bytes of a content. The limit is 64 KiB for the event, and encryption adds a third."""

Content = Mapping[str, Any]


def contents(outcome: Outcome, settings: MatrixSettings) -> list[Content]:
    """Return the contents of the messages that say the outcome's replies, in their order."""
    place = _relation(outcome, settings)
    mentioned = _mentions(outcome, settings)
    return [
        {**body, **place, **mentioned}
        for reply in outcome.replies
        for body in _bodies(reply, settings)
    ]


def reaction(about: str, key: str) -> Content:
    """Return the content of a reaction."""
    shown = text.heard(key)
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": about, "key": shown}}


def formatted(markdown: str) -> str:
    """Return `markdown` as HTML; HTML in it is text, and so are images and odd links."""
    return str(_renderer().render(text.spoken(markdown))).strip()


def _bodies(reply: Reply, settings: MatrixSettings) -> list[dict[str, Any]]:
    kind = "m.notice" if reply.notice or settings.notice else "m.text"
    found: list[dict[str, Any]] = []
    pieces = list(text.pieces(reply.text, limit=PIECE, most=settings.parts))
    plain = list(text.pieces(reply.plain, limit=PIECE, most=settings.parts))
    bodies = plain if reply.plain and len(plain) == len(pieces) else pieces
    for piece, shown_plain in zip(pieces, bodies, strict=True):
        body: dict[str, Any] = {"msgtype": kind, "body": shown_plain}
        if reply.markdown:
            shown = {"format": "org.matrix.custom.html", "formatted_body": formatted(piece)}
            if _size({**body, **shown}) <= MOST:
                body |= shown
        found.append(body)
    return found


def _relation(outcome: Outcome, settings: MatrixSettings) -> Content:
    """Return what says which message, or which thread, it belongs to."""
    about = origin(outcome.id)
    relation: dict[str, Any] = {}
    if is_event_id(outcome.thread):
        relation = {
            "rel_type": "m.thread",
            "event_id": outcome.thread,
            "is_falling_back": not settings.reply,
        }
    if is_event_id(about) and (settings.reply or relation):
        relation["m.in_reply_to"] = {"event_id": about}
    return {"m.relates_to": relation} if relation else {}


def _mentions(outcome: Outcome, settings: MatrixSettings) -> Content:
    """Return whom it calls: who asked, where it is a reply; never those whom its text names."""
    calls = settings.reply and not outcome.private and is_user(outcome.sender)
    return {"m.mentions": {"user_ids": [outcome.sender]} if calls else {}}


def _size(content: Content) -> int:
    return len(json.dumps(content, ensure_ascii=False).encode(errors="replace"))


@functools.cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "breaks": True})
    return made.enable(["table", "strikethrough"]).disable("image")
