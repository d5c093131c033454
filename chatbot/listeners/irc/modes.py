"""Channel modes that keep people out or quiet, as a server has them (ISUPPORT). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.listeners.irc.text import is_target


@dataclass(frozen=True, slots=True)
class Mode:
    """A change of a channel's mode: `+b *!*@host`."""

    sign: str
    letter: str
    argument: str

    @property
    def undone(self) -> Mode:
        """The change that takes this one back."""
        return Mode("-" if self.sign == "+" else "+", self.letter, self.argument)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server has: its list modes (CHANMODES) and extended bans (EXTBAN).

    `own` is the bot's own `user@host`, which no mask may match.
    """

    lists: str = "b"
    prefix: str = ""
    extended: str = ""
    own: str = ""

    @classmethod
    def of(cls, features: object, own: str) -> Abilities:
        """Read the library's features; what makes no sense counts as not there."""
        modes = getattr(features, "chanmodes", None)
        lists = str(modes[0]) if isinstance(modes, list) and modes else "b"
        prefix, comma, letters = str(getattr(features, "extban", "")).partition(",")
        return cls(lists, prefix if comma else "", letters if comma else "", own)

    def bans(self, userhost: str, account: str) -> list[Mode]:
        """Return what keeps somebody out, by host and, where the server can, by account."""
        return [Mode("+", "b", mask) for mask in self._masks(userhost, account)]

    def quiets(self, userhost: str, account: str) -> list[Mode]:
        """Return what keeps somebody quiet; empty where the server has nothing for it."""
        if "q" in self.lists:
            return [Mode("+", "q", mask) for mask in self._masks(userhost, account)]
        mask = self._mask(userhost)
        if mask and self.prefix == "" and "m" in self.extended:  # InspIRCd
            return [Mode("+", "b", f"m:{mask}")]
        if mask and self.prefix == "~" and "q" in self.extended:  # UnrealIRCd
            return [Mode("+", "b", f"~q:{mask}")]
        return []

    def has_quiets(self) -> bool:
        """Whether the server has anything to keep somebody quiet with."""
        return "q" in self.lists or bool(self.quiets("~user@host.example", ""))

    def _mask(self, userhost: str) -> str:
        """Return the mask that the host of `user@host` matches, whatever the nick; or empty.

        Where it is the bot's own host, too, the user name is part of it.
        """
        user, at, host = userhost.rpartition("@")
        sound = at and is_target(f"x{userhost}") and not set(userhost.lower()) & set("*?!")
        if not sound or user == "" or userhost.lower() == self.own.lower():
            return ""
        same_host = host.lower() == self.own.rpartition("@")[2].lower()
        return f"*!{user if same_host else '*'}@{host}"

    def _masks(self, userhost: str, account: str) -> list[str]:
        found = [self._mask(userhost)]
        letter = "R" if self.prefix == "" else "a"
        if account and letter in self.extended and is_target(f"x{account}"):
            found.append(f"{self.prefix}{letter}:{account}")
        return [mask for mask in found if mask]


def change(channel: str, modes: list[Mode]) -> str:
    """Return the line that makes the changes; three at most, which each server takes."""
    shown, sign = "", ""
    for mode in modes[:3]:
        shown += mode.letter if mode.sign == sign else mode.sign + mode.letter
        sign = mode.sign
    return " ".join(("MODE", channel, shown, *(mode.argument for mode in modes[:3])))
