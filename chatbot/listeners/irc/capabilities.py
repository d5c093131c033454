"""IRCv3 capability negotiation (CAP LS 302), as far as the listener uses what it gives.

Tags give events an id (`msgid`), a time and an account, and batches tell replayed history from
news: without them a bot answers the history again at each reconnection.
Source: https://ircv3.net/specs/extensions/capability-negotiation
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BEGIN = "CAP LS 302"
WANTED = frozenset(
    {
        "account-notify",
        "account-tag",
        "batch",
        "cap-notify",
        "chghost",
        "draft/chathistory",
        "echo-message",
        "extended-join",
        "labeled-response",
        "message-tags",
        "server-time",
    }
)
SASL = "sasl"


class Capabilities:
    """What the server offers and has granted; of all that it may offer, only what is wanted."""

    def __init__(self, *, sasl: bool = False) -> None:
        self.listed = False
        self.offered: dict[str, str] = {}
        self.enabled: set[str] = set()
        self._wanted = WANTED | {SASL} if sasl else WANTED
        self._asked: set[str] = set()
        self._singly = False

    @property
    def answered(self) -> bool:
        """Whether the server has said yes or no to all that was asked for."""
        return not self._asked

    def heard(self, arguments: Sequence[str]) -> list[str]:
        """Take a CAP with `arguments` (after the nick); return the lines to send upon it."""
        if not arguments:
            return []
        names = arguments[-1].split() if len(arguments) > 1 else []
        match arguments[0].upper():
            case "LS":
                self._offer(names)
                if self.listed:
                    return self.requests()
                # The list goes on in the next line where a star stands before it.
                self.listed = not (len(arguments) > 2 and arguments[1] == "*")
            case "NEW":
                self._offer(names)
                return self.requests() if self.listed else []
            case "DEL":
                self._withdraw(names)
            case "ACK":
                self._grant(names)
            case "NAK":
                return self._refused(names)
        return []

    def requests(self) -> list[str]:
        """Return the lines that ask for what is offered, wanted and not there yet."""
        wanted = sorted(self.offered.keys() - self.enabled - self._asked)
        self._asked.update(wanted)
        return [f"CAP REQ :{' '.join(wanted)}"] if wanted else []

    def _offer(self, names: Iterable[str]) -> None:
        for name, _, value in (each.partition("=") for each in names):
            if name in self._wanted:
                self.offered[name] = value

    def _withdraw(self, names: Iterable[str]) -> None:
        for name in names:
            self.offered.pop(name, None)
            self.enabled.discard(name)
            self._asked.discard(name)

    def _grant(self, names: Iterable[str]) -> None:
        for name in names:
            if name.startswith("-"):
                self.enabled.discard(name[1:])
            elif name in self._asked:
                self._asked.discard(name)
                self.enabled.add(name)

    def _refused(self, names: Iterable[str]) -> list[str]:
        refused = sorted(self._asked.intersection(names) or self._asked)
        if self._singly or len(refused) < 2:
            self._withdraw(refused)
            return []
        self._singly = True  # a list is refused as a whole, for one that is in it
        return [f"CAP REQ :{name}" for name in refused]
