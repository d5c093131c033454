"""IRCv3 capability negotiation (CAP LS 302), as far as the listener uses what it gives.

Tags give events an id (`msgid`) and a time, and batches tell replayed history from news:
without them a bot answers the history again at each reconnection.
Source: https://ircv3.net/specs/extensions/capability-negotiation
"""

from __future__ import annotations

from collections.abc import Sequence

BEGIN = "CAP LS 302"
WANTED = frozenset({"batch", "message-tags", "server-time"})


class Negotiation:
    """What the server offers, what we asked for, and what to answer next."""

    def __init__(self) -> None:
        self._offered: set[str] = set()
        self._over = False

    def answer(self, arguments: Sequence[str]) -> str | None:
        """Return the line to send upon a CAP with `arguments` (after the nick), if any.

        The last answer is `CAP END`, which lets the registration go on.
        """
        if self._over or not arguments:
            return None
        if arguments[0] == "LS":
            return self._listed(arguments)
        if arguments[0] in ("ACK", "NAK"):
            return self._end()
        return None

    def _listed(self, arguments: Sequence[str]) -> str | None:
        self._offered |= {offer.partition("=")[0] for offer in arguments[-1].split()}
        if len(arguments) > 2 and arguments[1] == "*":
            return None  # the list goes on in the next line
        wanted = sorted(WANTED & self._offered)
        return f"CAP REQ :{' '.join(wanted)}" if wanted else self._end()

    def _end(self) -> str:
        self._over = True
        return "CAP END"
