"""Modes that keep people out or quiet, on the servers that there are."""

from __future__ import annotations

import pytest
from irc.features import FeatureSet

from chatbot.listeners.irc.modes import Abilities, Mode, change

ISUPPORT = {
    "ngircd": ["CHANMODES=beI,k,l,imMnOPQRstVz", "PREFIX=(qaohv)~&@%+", "MODES=5"],
    "inspircd": ["CHANMODES=b,k,Hl,MRimnprst", "EXTBAN=,RUm", "PREFIX=(qov)~@+"],
    "solanum": ["CHANMODES=eIbq,k,flj,CFLMPQTcgimnprstuz", "EXTBAN=$,ajrxz", "PREFIX=(ov)@+"],
    "unreal": ["CHANMODES=beI,fkL,lFH,cdimnprstzCDGKMNOPQRSTVZ", "EXTBAN=~,CGJNOSTUacfijmnpqrt"],
    "silent": [],
    "odd": ["CHANMODES=", "EXTBAN=7"],
}
NONE: list[str] = []


def abilities(server: str, own: str = "bot@bots.example") -> Abilities:
    features = FeatureSet()
    features.load(["me", *ISUPPORT[server], "are supported"])
    return Abilities.of(features, own)


def shown(modes: list[Mode]) -> list[str]:
    return [f"{mode.sign}{mode.letter} {mode.argument}" for mode in modes]


@pytest.mark.parametrize(
    ("server", "bans", "quiets"),
    [
        ("ngircd", ["+b *!*@h.example"], NONE),
        ("inspircd", ["+b *!*@h.example", "+b R:ann"], ["+b m:*!*@h.example"]),
        ("solanum", ["+b *!*@h.example", "+b $a:ann"], ["+q *!*@h.example", "+q $a:ann"]),
        ("unreal", ["+b *!*@h.example", "+b ~a:ann"], ["+b ~q:*!*@h.example"]),
        ("silent", ["+b *!*@h.example"], NONE),
        ("odd", ["+b *!*@h.example"], NONE),
    ],
)
def test_each_server_has_its_own_way(server: str, bans: list[str], quiets: list[str]) -> None:
    found = abilities(server)
    assert shown(found.bans("u@h.example", "ann")) == bans
    assert shown(found.quiets("u@h.example", "ann")) == quiets
    assert found.has_quiets() == bool(quiets)


@pytest.mark.parametrize(
    ("userhost", "mask"),
    [
        ("u@h", ["+b *!*@h"]),
        ("~u@bots.example", ["+b *!~u@bots.example"]),
        ("bot@BOTS.example", NONE),
        ("u@*", NONE),
        ("*@h", NONE),
        ("u@h i", NONE),
        ("u@h\r", NONE),
        ("h", NONE),
        ("@h", NONE),
        ("", NONE),
    ],
)
def test_a_mask_is_of_one_host_and_never_the_bots_own(userhost: str, mask: list[str]) -> None:
    assert shown(abilities("ngircd").bans(userhost, "")) == mask


@pytest.mark.parametrize("account", ["a b", "a,b", "a\r", ""])
def test_a_hostile_account_is_in_no_mask(account: str) -> None:
    assert shown(abilities("solanum").bans("u@h", account)) == ["+b *!*@h"]


def test_changes_go_together_and_can_be_undone() -> None:
    modes = [Mode("+", "b", "x"), Mode("+", "b", "y"), Mode("-", "v", "z")]
    assert change("#a", modes) == "MODE #a +bb-v x y z"
    assert change("#a", [mode.undone for mode in modes]) == "MODE #a -bb+v x y z"
