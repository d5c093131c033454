"""Who talks as bots do: two that answer each other would never end.

A bot shows in what it does with our replies. It answers within moments, every time; it says what
it has said before; it says what we have said. Each of these counts, and what counts wears off, so
that somebody who asks a few questions in a row, or the same one again, is not taken for one.
What reaches `MOST` is not answered for a while, and for longer each time.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chatbot.listeners.gate.recent import Recent

MOST = 300.0
"""Points at which somebody is taken for a bot: at once for 300 answers, 30 of the same, 12 echoes.

A script that asks one thing after the other, ever new ones, is taken for one by the first alone:
two language models say ever new things, too."""

SAME, ECHO = 9.0, 25.0
"""Points for what was said before, and for what we have said."""

UNASKED = 10.0
"""Points that go with each message to which none of ours led: who answers us does not say such."""

AT_ONCE = 2.0
"""Seconds after our reply in which hardly anybody has read it and written something."""

SOON = 30.0
"""Seconds in which people may well answer, but not for hours on end."""

WEARS_OFF = 60.0
"""Seconds in which a point goes."""

FIRST_SILENCE, GROWTH, LONGEST_SILENCE = 30.0, 4.0, 3600.0

_PEOPLE, _ROOMS = 4096, 1024
_TEXTS = 8
_REPLIES = 8
"""Unanswered ones: two bots whom somebody greets have two talks at once, or more."""
_LONGEST_TEXT = 300
_TELLING = 12
"""Letters of ours that are no accident within somebody else's text."""


@dataclass(slots=True)
class _Talk:
    """How somebody talks with us in a room."""

    score: float = 0.0
    at: float = 0.0
    replies: deque[float] = field(default_factory=lambda: deque(maxlen=_REPLIES))
    """When we said what they have not answered yet; infinite while we say it."""
    texts: deque[str] = field(default_factory=lambda: deque(maxlen=_TEXTS))
    silent_until: float = -math.inf
    silences: int = 0


class LoopBreaker:
    """Watches the talks of one network; what it does not remember begins anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._talks: Recent[tuple[str, str], _Talk] = Recent(_PEOPLE)
        self._own: Recent[str, deque[str]] = Recent(_ROOMS)

    def hear(self, room: str, sender: str, text: str) -> float:
        """Return for how many seconds somebody is not to be answered, this message included."""
        now = self._clock()
        talk = self._talk(room, sender)
        if now < talk.silent_until:
            return talk.silent_until - now
        points = self._points(talk, room, _normal(text), now)
        worn = talk.score - (now - talk.at) / WEARS_OFF - (0.0 if points else 1.0)
        talk.score, talk.at = max(0.0, worn) + points, now
        return self._silenced(talk, now) if talk.score >= MOST else 0.0

    def say(self, room: str, sender: str, texts: Iterable[str]) -> None:
        """Note that we begin to say something to somebody."""
        talk = self._talk(room, sender)
        talk.replies.append(math.inf)
        own = self._own.get(room)
        if own is None:
            own = deque(maxlen=_TEXTS)
            self._own.set(room, own)
        heard = talk.texts
        own.extend(each for each in map(_normal, texts) if each and each not in heard)

    def said(self, room: str, sender: str) -> None:
        """Note that we have said it."""
        replies = self._talk(room, sender).replies
        if math.inf in replies:
            replies[replies.index(math.inf)] = self._clock()

    def _talk(self, room: str, sender: str) -> _Talk:
        talk = self._talks.get((room, sender))
        if talk is None:
            talk = _Talk(at=self._clock())
            self._talks.set((room, sender), talk)
        return talk

    def _points(self, talk: _Talk, room: str, text: str, now: float) -> float:
        if not talk.replies:
            talk.score = max(0.0, talk.score - UNASKED)
            talk.texts.append(text)
            return 0.0
        since = max(0.0, now - talk.replies.popleft())
        repeated = SAME * (text in talk.texts)
        repeated += ECHO * any(_is_ours(own, text) for own in self._own.get(room) or ())
        talk.texts.append(text)
        if not repeated:
            talk.replies.clear()
        if since >= SOON:
            return 0.0
        return repeated + (1.0 if since < AT_ONCE else 0.25)

    def _silenced(self, talk: _Talk, now: float) -> float:
        if now - talk.silent_until > LONGEST_SILENCE:
            talk.silences = 0
        length = min(LONGEST_SILENCE, FIRST_SILENCE * GROWTH**talk.silences)
        talk.silences = min(talk.silences + 1, 16)
        talk.silent_until, talk.score = now + length, MOST / 2
        talk.replies.clear()
        return length


def _normal(text: str) -> str:
    return " ".join(text[:_LONGEST_TEXT].casefold().split())


def _is_ours(own: str, text: str) -> bool:
    return len(own) >= _TELLING and own in text
