"""The names of streams, subjects, consumers and buckets. Pure.

    chatbot.in.<flow>.<lane>.<network>.<hash of message id>     one message each, for ever
    chatbot.out.<flow>.<network>.<hash of message id>           one outcome each, for ever
    chatbot.out.<flow>.<network>.bulk.<hash of message id>      where it does not hurry
    chatbot.out.<flow>.<network>.begun.<hash of message id>     that it is being said, where it
                                                                must not be said twice
    chatbot.out.<flow>.<network>.mark.<hash of message id>.<mark>  what a listener notes of it
    chatbot.work.<flow>.<lane>.<operation key>                  shared by all nodes
    chatbot.done.<primary>                                      one primary's results
    chatbot.dead.<flow>                                         what can never succeed
    chatbot.claim.<key of a lock>                               said, not kept: let go of it soon

Some are plain subjects, without a stream:

    chatbot.partial.<flow>.<hash of context's name>             previews of partial results
    chatbot.wanted.<primary>                                    whether it waits for a call
    chatbot.alive.<node>                                        whether it is at some work
    chatbot.reload.<flow>                                       read the flow anew, all of you

IN and OUT are streams of each flow, so that the backlog of one does not fill another's;
WORK, DONE and DEAD are shared by all flows of an account.

A message has one outcome whatever lane it came in, so the one subject decides: the outcome of
a bulk message is published after an empty message was taken there in its place.
"""

from __future__ import annotations

import functools
import re
from enum import StrEnum

from chatbot.messages import digest

WORK = "CHATBOT_WORK"
DONE = "CHATBOT_DONE"
DEAD = "CHATBOT_DEAD"
IN_PREFIX = "CHATBOT_IN_"
DEAD_FILTER = "chatbot.dead.*"

FLOWS = "chatbot-flows"
ROSTER = "chatbot-roster"
LEASES = "chatbot-leases"
LOCKS = "chatbot-locks"
FILES = "chatbot-files"
VALUES = "chatbot-values"
ATTEMPTS = "chatbot-attempts"
POSITIONS = "chatbot-positions"
STATE = "chatbot-state"
MEMORY = "chatbot-memory"
LEARNED = "chatbot-learned"
HEADS = "chatbot-heads"


class Lane(StrEnum):
    """People's messages overtake bulk: replays and backfill."""

    PEOPLE = "people"
    BULK = "bulk"


@functools.lru_cache(1024)
def token(name: str) -> str:
    """Return `name` as one token of a subject: itself where that is safe, else a digest."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        return name
    # "=" is in no safe name, so that none is taken for another's digest.
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:32] + "=" + digest(name, length=12)


def in_stream(flow: str) -> str:
    return f"{IN_PREFIX}{token(flow)}"


def out_stream(flow: str) -> str:
    return f"CHATBOT_OUT_{token(flow)}"


def in_subject(flow: str, lane: Lane, network: str, message_id: str) -> str:
    return f"chatbot.in.{token(flow)}.{lane}.{token(network)}.{digest(message_id)}"


def in_filter(flow: str, lane: Lane | None = None) -> str:
    return f"chatbot.in.{token(flow)}.{lane or '*'}.>"


def out_subject(flow: str, network: str, message_id: str, lane: Lane = Lane.PEOPLE) -> str:
    within = "bulk." if lane is Lane.BULK else ""
    return f"chatbot.out.{token(flow)}.{token(network)}.{within}{digest(message_id)}"


def out_parts(flow: str, message_id: str) -> str:
    """Return the filter of what the listeners of all networks are to do for a message."""
    return f"chatbot.out.{token(flow)}.*.{digest(message_id)}"


def begun_subject(flow: str, network: str, message_id: str) -> str:
    return f"chatbot.out.{token(flow)}.{token(network)}.begun.{digest(message_id)}"


def mark_subject(flow: str, network: str, message_id: str, mark: str) -> str:
    return f"chatbot.out.{token(flow)}.{token(network)}.mark.{digest(message_id)}.{token(mark)}"


def position_key(flow: str, network: str) -> str:
    return f"{digest(flow)}.{digest(network)}"


def out_filter(flow: str, network: str | None = None, lane: Lane = Lane.PEOPLE) -> str:
    if network is None:
        return f"chatbot.out.{token(flow)}.>"
    return f"chatbot.out.{token(flow)}.{token(network)}.{'bulk.' if lane is Lane.BULK else ''}*"


def work_subject(flow: str, lane: Lane, key: str) -> str:
    return f"chatbot.work.{token(flow)}.{lane}.{key}"


def done_subject(primary: str) -> str:
    return f"chatbot.done.{primary}"


def done_address(primary: str, lane: Lane) -> str:
    """Return where a primary wants the results of a lane, as `Work.primary` says it."""
    return f"{primary}-bulk" if lane is Lane.BULK else primary


def claim_subject(key: str) -> str:
    return f"chatbot.claim.{key}"


def dead_subject(flow: str) -> str:
    return f"chatbot.dead.{token(flow)}"


def partial_subject(flow: str, context: str) -> str:
    return f"chatbot.partial.{token(flow)}.{digest(context)}"


def wanted_subject(primary: str) -> str:
    """Return where a primary is asked, by its id or by one of its addresses."""
    return f"chatbot.wanted.{primary.partition('-')[0]}"


def reload_subject(flow: str) -> str:
    return f"chatbot.reload.{token(flow)}"


def alive_subject(node: str) -> str:
    """Return where a node is asked, by its id, whether it lives and is at some work."""
    return f"chatbot.alive.{node}"
