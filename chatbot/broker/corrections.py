"""What people corrected, for one operation of one flow that learns: bucket `chatbot-learned`.

| key | value |
|---|---|
| `<learner>.about` | `About`: which operation of which flow it is |
| `<learner>.count` | the number of the last change |
| `<learner>.x.<hash of text and room>` | `Example`: a text, and who called it what, and when |
| `<learner>.head.<operation key>` | `HeadRecord`: what was learned last, and runs |
| `<learner>.next.<operation key>` | `HeadRecord`: what runs in its shadow |
| `<learner>.seen.<operation key>.<node>` | `Compared`: how the two did on a node |
| `trained.<key>` | which thorough training runs: see `chatbot.broker.trained` |

Behind an operation's key stands `=REVISION` where it learned on top of a thorough training.

The rule that it guards: nobody's correction is lost to another's that comes at the same time, and
the same command or reaction, run again, changes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from chatbot.broker import heads, stored, subjects
from chatbot.broker.buckets import Bucket, find_bucket, open_bucket
from chatbot.broker.connection import Broker
from chatbot.errors import BrokerError, UsageError
from chatbot.learning import (
    About,
    Example,
    Vote,
    example_key,
    forgotten,
    learner_of,
    restored,
)

MOST = 5000
"""Texts that are kept for one operation."""

Change = Callable[[Example | None, int], Example | None]
"""(what is there, the number of the change) → what is to be there, `None` to leave it as it is."""


class Corrections:
    """The corrections of one learner. Made by `open`. All of it waits for a server that is away."""

    def __init__(self, broker: Broker, bucket: Bucket, learner: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self.learner = learner

    @classmethod
    async def open(cls, broker: Broker, flow: str, operation: str) -> Corrections:
        """Open those of an operation, by its path."""
        return await cls.of(broker, learner_of(flow, operation))

    @classmethod
    async def of(cls, broker: Broker, learner: str) -> Corrections:
        """Open those of a learner, by its name."""
        return cls(broker, await open_bucket(broker, subjects.LEARNED), learner)

    async def introduce(self, about: About) -> None:
        """Say which operation this is, for people who ask."""
        key = f"{self.learner}.about"
        known = await self._broker.insist(lambda: self._bucket.get(key))
        if known is None or known.value != about.encode():
            await self._bucket.put(key, about.encode())

    async def all(self) -> list[Example]:
        """Return all examples, in the order of their keys; those that were taken back, too."""
        return await self._broker.insist(self._all)

    async def count(self) -> int:
        """Return the number of the last change, 0 for none."""
        found = await self._broker.insist(lambda: self._bucket.get(f"{self.learner}.count"))
        return _number(found.value) if found else 0

    async def get(self, text: str, scope: str) -> Example | None:
        """Return the example that a text is, `None` where it is none."""
        key = self._key(example_key(text, scope))
        found = await self._broker.insist(lambda: self._bucket.get(key))
        return _decoded(found.value) if found else None

    async def vote(
        self, text: str, scope: str, *votes: Vote, whole: bool = True, several: bool = False
    ) -> Example:
        """Add what one person says of a text; return what it is called then.

        Of the votes, `number` is of no account; `whole` is as for `Example.with_votes`. With
        `several` a text may have more than one label.
        """

        def change(known: Example | None, number: int) -> Example | None:
            before = known or Example(text, scope)
            if several != before.several:
                before = msgspec.structs.replace(before, several=several)
            numbered = [msgspec.structs.replace(vote, number=number) for vote in votes]
            after = before.with_votes(numbered, whole=whole)
            return None if after is before else after

        before = await self.get(text, scope)
        if before is None and await self._is_full():
            raise UsageError(
                f"I have {MOST} examples, and keep no more",
                hint="`chatbot labels export` writes them to a file that the flow may have",
            )
        return await self._change(example_key(text, scope), change) or Example(text, scope)

    async def take_back(
        self, example: Example, which: Callable[[Vote], bool], by: Vote
    ) -> Example | None:
        """Take back those votes of an example; return it. `by` says who does and why."""

        def change(known: Example | None, number: int) -> Example | None:
            if known is None or not any(v.is_live and which(v) for v in known.votes):
                return None
            votes = tuple(
                msgspec.structs.replace(
                    v, until=number, undone=by.cause, undone_by=by.by, undone_at=by.at
                )
                if v.is_live and which(v)
                else v
                for v in known.votes
            )
            return msgspec.structs.replace(known, votes=votes)

        return await self._change(example.key, change)

    async def roll_back(self, number: int, by: str) -> int:
        """Have everything as it was after the change `number`; return how many texts changed.

        What was forgotten since stays forgotten.
        """
        changed = 0
        now = await self._next()
        for example in await self.all():
            former = example.at(number)
            restore = functools.partial(restored, former, number, by)
            known = await self._change(example.key, restore, now)
            changed += known is not None and known.is_touched(now)
        return changed

    async def forget(
        self, is_said: Callable[[Vote], bool], is_meant: Callable[[str, str], bool]
    ) -> int:
        """Erase what was said in messages that `is_said` names, and who corrected, if meant.

        Returns of how many texts. What was learned is erased, too: it is learned anew without.
        `is_meant` is asked with a network and an account.
        """
        touched = 0
        for example in await self.all():
            left = forgotten(example, is_said, is_meant)
            if left == example:
                continue
            touched += 1
            if left.votes:
                # Written anew under its key: the bucket keeps one value of each.
                await self._change(
                    example.key, lambda known, _: known and forgotten(known, is_said, is_meant)
                )
            else:
                key = self._key(example.key)
                await self._broker.insist(functools.partial(self._bucket.delete, key))
        if touched:
            await heads.drop(self._broker, self._bucket, self.learner)
        return touched

    @asynccontextmanager
    async def watch(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` at each change; not at those made while the connection is down."""
        async with self._bucket.watch(lambda *_: changed(), f"{self.learner}.x.>"):
            yield

    async def _all(self) -> list[Example]:
        subject = f"$KV.{subjects.LEARNED}.{self.learner}.x.>"
        found = {}
        async for each in stored.stored(self._broker, f"KV_{subjects.LEARNED}", subject):
            found[each.subject] = _decoded(each.data) if each.data else None
        return [each for _, each in sorted(found.items()) if each is not None]

    async def _is_full(self) -> bool:
        keys = await self._broker.insist(lambda: self._bucket.keys(f"{self.learner}.x.>"))
        return len(keys) >= MOST

    async def _change(self, key: str, change: Change, number: int = 0) -> Example | None:
        """Change an example, again when somebody else did meanwhile; return what is there then."""
        while True:
            found = await self._broker.insist(lambda: self._bucket.get(self._key(key)))
            known = _decoded(found.value) if found else None
            after = change(known, number or 1)
            if after is None or after == known:
                return known
            if not number:
                number = await self._next()
                after = change(known, number)
                assert after is not None
            revision = found.revision if found else 0
            if await self._set(self._key(key), after.encode(), revision):
                return after

    async def _next(self) -> int:
        """Return a number that no change has, greater than all before."""
        key = f"{self.learner}.count"
        while True:
            found = await self._broker.insist(lambda: self._bucket.get(key))
            number = _number(found.value) + 1 if found else 1
            if await self._set(key, b"%d" % number, found.revision if found else 0):
                return number

    async def _set(self, key: str, value: bytes, revision: int) -> bool:
        """Set a key if it is at `revision` (0: holds nothing). Told no, it may be done all the
        same, where the answer was lost: the caller looks again."""
        if revision:
            ask = functools.partial(self._bucket.update, key, value, revision)
        else:
            ask = functools.partial(self._bucket.create, key, value)
        return await self._broker.insist(ask) is not None

    def _key(self, key: str) -> str:
        return f"{self.learner}.x.{key}"


async def learners(broker: Broker) -> dict[str, About]:
    """Return the operations that learn, or did, by the names of their learners.

    Raises one of `broker.errors` where the server does not answer.
    """
    bucket = await find_bucket(broker, subjects.LEARNED)
    if bucket is None:
        return {}
    found = {}
    for key, value in (await bucket.all("*.about")).items():
        try:
            found[key.partition(".")[0]] = About.decode(value)
        except msgspec.MsgspecError:
            continue  # another version's
    return found


async def forget(
    broker: Broker, is_meant: Callable[[str, str], bool], flow: str | None = None
) -> int:
    """Erase people from all corrections, or from those of one flow; return of how many texts.

    `is_meant` is asked with a network and a sender, or an account. Raises one of `broker.errors`
    where the server does not answer.
    """

    def is_said(vote: Vote) -> bool:
        return is_meant(vote.network, vote.sender)

    return await _forget(broker, flow, is_said, is_meant)


async def forget_message(broker: Broker, flow: str, network: str, message_id: str) -> int:
    """Erase what was learned of a message that was taken back; return of how many texts it was.

    Raises one of `broker.errors` where the server does not answer.
    """

    def is_said(vote: Vote) -> bool:
        return (vote.network, vote.message) == (network, message_id)

    return await _forget(broker, flow, is_said, lambda *_: False)


async def _forget(
    broker: Broker,
    flow: str | None,
    is_said: Callable[[Vote], bool],
    is_meant: Callable[[str, str], bool],
) -> int:
    count = 0
    for learner, about in (await learners(broker)).items():
        if flow in (None, about.flow):
            count += await (await Corrections.of(broker, learner)).forget(is_said, is_meant)
    return count


async def only_learner(broker: Broker, flow: str | None) -> tuple[Corrections, About]:
    """Return those of the flow, or the only ones; raises `UsageError`, `BrokerError`."""
    try:
        known = await learners(broker)
    except broker.errors as error:
        raise BrokerError(f"the NATS server does not answer ({error})") from error
    found = {name: about for name, about in known.items() if flow in (None, about.flow)}
    if not found:
        which = f"the flow {flow}" if flow else "a flow"
        raise UsageError(
            f"nothing is known of {which} that learns",
            hint="write `learning:` in the flow file, and run it: see docs/understanding.md",
        )
    if len(found) > 1:
        names = ", ".join(sorted({about.flow for about in found.values()}))
        raise UsageError("several flows learn: which?", hint=f"--flow NAME, of {names}")
    [(name, about)] = found.items()
    return await Corrections.of(broker, name), about


def _decoded(value: bytes) -> Example | None:
    try:
        return Example.decode(value)
    except msgspec.MsgspecError:
        return None  # another version's


def _number(value: bytes) -> int:
    return int(value) if value.isdigit() else 0
