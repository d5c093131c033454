"""Bytes in, lines out: lenient about the encoding, bounded in what is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator

log = logging.getLogger(__name__)

LINE_LIMIT = 16 * 1024
"""Bytes of a line that we read: IRCv3 allows 8191 of tags and 512 of message."""


class Lines:
    """A buffer as the `irc` library wants it: feed it bytes, iterate over what is complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._rest += data

    def __iter__(self) -> Iterator[str]:
        """Yield the complete lines, without those beyond `LINE_LIMIT`."""
        *lines, self._rest = self._rest.split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        if len(self._rest) > LINE_LIMIT:
            self._rest, self._skipping = b"", True
            log.warning("skipped a line of more than %d bytes", LINE_LIMIT)
        for line in lines:
            if len(line) <= LINE_LIMIT:
                yield line.rstrip(b"\r").decode("utf-8", "replace")
