"""A stream's bytes as its messages; pure.

Messages are JSON objects, each ended by CR or CRLF; a lone blank or line end is a sign of life,
and line ends may stand between a message's tokens. So an object ends where its braces do, and
a CR inside of one says that the rest of it is lost: the next begins behind it.
"""

from __future__ import annotations

import re

LONGEST = 256 * 1024
"""Bytes of a message; a longer one is skipped."""

_OUTSIDE = re.compile(rb'[{}"\r]')
_INSIDE = re.compile(rb'["\\\r]')


class Chunks:
    """Cuts what is fed to it, in time linear to it, and holds `longest` bytes at the most.

    `lost` counts what was no whole message.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.lost = 0
        self._longest = longest
        self._begun: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes."""
        whole: list[bytes] = []
        start = at = 0
        if self._escaped and data:
            at, self._escaped = 1, False
        while match := (_INSIDE if self._quoted else _OUTSIDE).search(data, at):
            at = match.end()
            sign = data[match.start()]
            if sign == 0x5C:  # a backslash: what follows is no sign
                self._escaped = at == len(data)
                at += 1
            elif sign == 0x0D:
                self._abandon()
            elif sign == 0x22:
                self._quoted = not self._quoted and self._depth > 0
            elif sign == 0x7B:
                start = match.start() if self._depth == 0 else start
                self._depth += 1
            elif self._depth > 0:
                self._depth -= 1
                if self._depth == 0:
                    whole += self._ended(data[start:at])
                    start = at
        if self._depth > 0:
            self._keep(data[start:])
        return whole

    def _reset(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False
        self._begun.clear()
        self._size = 0

    def _abandon(self) -> None:
        self.lost += self._depth > 0
        self._reset()

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._begun.clear()  # its end is still looked for
        else:
            self._begun.append(part)

    def _ended(self, part: bytes) -> list[bytes]:
        self._keep(part)
        whole = [b"".join(self._begun)] if self._size <= self._longest else []
        self.lost += not whole
        self._reset()
        return whole
