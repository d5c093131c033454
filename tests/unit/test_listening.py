"""Listeners when their flow is loaded anew: what has another policy stays connected."""

from __future__ import annotations

import dataclasses

from chatbot.commands.listening import Listening
from chatbot.flowfile.flow import ListenerSection
from chatbot.policy import Policy, Rules, Terms

LIBERA = ListenerSection("libera", "irc", {"server": "irc.example.org", "nick": "bot"})
CHANGED = Policy(Terms(only_addressed=True))


def test_another_policy_is_put_in_while_the_listener_stays() -> None:
    listening = Listening([LIBERA], Rules())
    (before,) = listening._stations
    assert before.conduct.policy == Policy()
    rules = Rules(in_order=True)
    put_in = listening.prepare([dataclasses.replace(LIBERA, policy=CHANGED)], rules)
    assert before.conduct.rules == Rules(), "nothing has changed until it is put in"
    put_in()
    assert listening._stations == [before]
    assert (before.conduct.policy, before.conduct.rules) == (CHANGED, rules)


def test_another_setting_makes_another_listener() -> None:
    listening = Listening([LIBERA], Rules())
    (before,) = listening._stations
    settings = {**LIBERA.settings, "nick": "other"}
    listening.prepare([dataclasses.replace(LIBERA, settings=settings, policy=CHANGED)], Rules())()
    (after,) = listening._stations
    assert after is not before
    assert after.conduct.policy == CHANGED
