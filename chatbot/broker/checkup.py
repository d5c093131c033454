"""What is wrong with what the server keeps for us: settings, copies, room. It changes nothing.

The rule that it guards: each finding says what to do about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from nats.js.api import AccountInfo, DiscardPolicy, StreamConfig, StreamInfo, Tier
from nats.js.errors import APIError, NotFoundError

from chatbot.broker import (
    buckets,
    clock,
    files,
    gauge,
    models,
    objects,
    questions,
    streams,
    subjects,
)
from chatbot.broker.clock import Clock
from chatbot.broker.connection import Broker
from chatbot.broker.migration import FORMAT, differences, format_of, shown
from chatbot.broker.replicas import ON_A_CLUSTER
from chatbot.storage import Storage
from chatbot.units import shown_duration, shown_size

ERROR, WARNING = "error", "warning"

NEARLY, AS_GOOD_AS = 0.8, 0.95
"""The share of a limit from which on it is nearly reached, and as good as."""

FIXED = {"retention", "storage"}
VITAL = {"subjects", "discard", "discard_new_per_subject", "max_msgs_per_subject", *FIXED}

_IN, _OUT = f"{gauge.OURS}IN_", f"{gauge.OURS}OUT_"
_START = "start the bot again (chatbot run): it sets this right in place"


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong (`severity` error), or will be (warning), and its remedy."""

    severity: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the server keeps for us, and how it does; `clock` is `None` where it keeps nothing.

    `missing` are streams that should be there and are not, `silent` ones that do not answer, as
    in a cluster without a leader. `servers` are those of the cluster that are known to be there,
    1 without one.
    """

    streams: list[StreamInfo]
    account: AccountInfo
    missing: list[str]
    silent: list[str]
    servers: int
    clock: Clock | None


async def look(broker: Broker) -> Kept:
    """Ask the server; raises one of `broker.errors` where it does not answer."""
    found, account = await asyncio.gather(gauge.all_streams(broker), broker.js.account_info())
    ours = [info for info in found if _is_ours(name_of(info))]
    servers = await clock.of_server(broker, name_of(ours[0])) if ours else None
    unlisted = _needed(ours) - {name_of(info) for info in ours}
    there = dict(zip(unlisted, await _ask(broker, unlisted), strict=True))
    missing = sorted(name for name, answer in there.items() if answer is False)
    silent = sorted(name for name, answer in there.items() if answer is None)
    return Kept(ours, account, missing, silent, broker.servers, servers)


def name_of(info: StreamInfo) -> str:
    return info.config.name or ""


def is_of(flow: str, queue: str) -> bool:
    """Whether the queue that is called so (see `gauge.Queue`) is of `flow`."""
    return subjects.token(flow) == queue


def settings(kept: Kept, asked: Mapping[str, Storage]) -> list[Finding]:
    """Find what is set up otherwise than it should be; `asked` is what flows' files say now."""
    return [
        *_of_other_formats(kept),
        *(finding for info in kept.streams for finding in _differing(info, asked)),
        *_forgetful(kept),
        *(Finding(ERROR, f"the stream {name} is not there", _START) for name in kept.missing),
    ]


def copies(kept: Kept, asked: Mapping[str, Storage]) -> list[Finding]:
    """Find copies that are not there, behind, or asked for where there are too few servers."""
    wanted = {_flow_of(info): _asked_of(info, asked) for info in kept.streams} | {**asked}
    return [
        *_too_few_servers(kept, wanted),
        *_lagging(kept),
        *_too_few_copies(kept, wanted),
    ]


def room(kept: Kept) -> list[Finding]:
    """Find limits of streams and of the account that are reached, or nearly."""
    tiers: Mapping[str, AccountInfo | Tier] = kept.account.tiers or {"": kept.account}
    return [
        *(finding for info in kept.streams for finding in _full(info)),
        *(finding for name, tier in tiers.items() for finding in _full_account(name, tier)),
    ]


def _needed(found: Iterable[StreamInfo]) -> set[str]:
    """Return the streams that there must be where there are these."""
    names = (name_of(info) for info in found)
    flows = {name.removeprefix(_IN).removeprefix(_OUT) for name in names if _of_flow(name)}
    if not flows:
        return set()
    shared = {str(config.name) for config in streams.account_streams()}
    return shared | {f"{kind}{flow}" for kind in (_IN, _OUT) for flow in flows}


async def _ask(broker: Broker, names: Iterable[str]) -> list[bool | None]:
    """Return whether each stream is there; `None` for one that does not answer."""

    async def one(name: str) -> bool | None:
        try:
            await broker.js.stream_info(name)
        except NotFoundError:
            return False
        except (APIError, TimeoutError):
            return None
        return True

    return await asyncio.gather(*(one(name) for name in names))


def _is_ours(name: str) -> bool:
    return name.startswith(gauge.OURS) or name in _fixed()


def _fixed() -> dict[str, StreamConfig]:
    """Return the streams that are the same for all flows, as they should be."""
    kinds = (subjects.FLOWS, subjects.ROSTER, subjects.LEASES, subjects.LOCKS)
    made = [
        *streams.account_streams(),
        *(buckets.stream(kind) for kind in kinds),
        files.stream(),
        objects.stream(),
        models.stream(),
        questions.stream(),
    ]
    return {str(config.name): config for config in made}


def _of_flow(name: str) -> bool:
    return name.startswith((_IN, _OUT))


def _flow_of(info: StreamInfo) -> str:
    """Return the flow that a stream says it is of; "" where it says nothing."""
    return (info.config.metadata or {}).get(streams.FLOW, "")


def _asked_of(info: StreamInfo, asked: Mapping[str, Storage]) -> Storage | None:
    """Return what the stream's flow asks for, by its file or as it did last."""
    told = (info.config.metadata or {}).get(streams.STORAGE, "")
    return asked.get(_flow_of(info)) or Storage.decode(told)


def _wanted(info: StreamInfo, asked: Mapping[str, Storage]) -> StreamConfig | None:
    """Return how a stream should be; `None` where nobody knows."""
    if not _of_flow(name_of(info)):
        return _fixed().get(name_of(info))
    storage = _asked_of(info, asked)
    if storage is None:
        return None
    made = streams.flow_streams(_flow_of(info), storage)
    return next((each for each in made if each.name == name_of(info)), None)


def _of_other_formats(kept: Kept) -> Iterator[Finding]:
    older = [name_of(info) for info in kept.streams if format_of(info.config) < FORMAT]
    newer = [name_of(info) for info in kept.streams if format_of(info.config) > FORMAT]
    if older:
        what = f"set up by an older chatbot: {', '.join(older)}"
        yield Finding(WARNING, what, f"upgrade what is older, then {_START}")
    if newer:
        what = f"set up by a newer chatbot, and left alone by this one: {', '.join(newer)}"
        yield Finding(WARNING, what, "upgrade chatbot here")


def _differing(info: StreamInfo, asked: Mapping[str, Storage]) -> Iterator[Finding]:
    wanted = _wanted(info, asked)
    if wanted is None or format_of(info.config) > FORMAT:
        return
    told = differences(info.config, wanted)
    told.pop("num_replicas", None)  # of that, `copies` says more
    if not told:
        return
    what = f"{name_of(info)} is set up otherwise than it should be: {shown(told)}"
    remedy = _START
    if told.keys() & FIXED:
        remedy = (
            "it cannot be changed in place: when nothing waits in it, stop the bot, delete the "
            "stream, and start the bot"
        )
    yield Finding(ERROR if told.keys() & VITAL else WARNING, what, remedy)


def _forgetful(kept: Kept) -> Iterator[Finding]:
    """Find outcomes that are forgotten before what they are the outcomes of."""
    ages = {name_of(info): info.config.max_age or 0.0 for info in kept.streams}
    for name, age in ages.items():
        heard = _IN + name.removeprefix(_OUT)
        if not name.startswith(_OUT) or not age or heard not in ages:
            continue
        if not ages[heard] or age <= ages[heard]:
            heard_for = shown_duration(ages[heard]) if ages[heard] else "for ever"
            what = f"{name} keeps outcomes for {shown_duration(age)}, {heard} what was heard "
            what += f"{heard_for}: a message could be answered a second time"
            yield Finding(ERROR, what, _START)


def _too_few_servers(kept: Kept, wanted: Mapping[str, Storage | None]) -> Iterator[Finding]:
    for flow, storage in sorted(wanted.items()):
        if storage is not None and storage.replicas > kept.servers:
            there = "1 server" if kept.servers == 1 else f"{kept.servers} servers"
            what = f"the flow {flow} asks for {storage.replicas} copies, and there is {there}"
            remedy = "start more servers in the cluster, or set its `storage.replicas` to auto"
            yield Finding(ERROR, what, remedy)


def _lagging(kept: Kept) -> Iterator[Finding]:
    for name in kept.silent:
        what = f"the stream {name} does not answer: it has no leader, and nothing is stored"
        yield Finding(ERROR, what, "wait a moment; if it stays so, start more of the servers")
    late: dict[str, list[str]] = {}
    for info in kept.streams:
        for peer in (info.cluster and info.cluster.replicas) or []:
            if peer.offline or not peer.current:
                late.setdefault(str(peer.name), []).append(name_of(info))
    for server, names in sorted(late.items()):
        what = f"the server {server} is away or behind; it has a copy of {', '.join(names)}"
        yield Finding(WARNING, what, "does it run? Its copies catch up by themselves")


def _too_few_copies(kept: Kept, wanted: Mapping[str, Storage | None]) -> Iterator[Finding]:
    """Find what was set up when there were fewer servers."""
    fewer = []
    for info in kept.streams:
        storage = wanted.get(_flow_of(info))
        told = storage.replicas if storage and _of_flow(name_of(info)) else 0
        if (info.config.num_replicas or 1) < min(told or ON_A_CLUSTER, kept.servers):
            fewer.append(name_of(info))
    if fewer:
        what = f"fewer copies than there may be, with {kept.servers} servers: {', '.join(fewer)}"
        yield Finding(WARNING, what, _START)


def _full(info: StreamInfo) -> Iterator[Finding]:
    config, state = info.config, info.state
    limits = [
        (state.bytes, config.max_bytes or -1, shown_size(config.max_bytes or 0)),
        (state.messages, config.max_msgs or -1, f"{config.max_msgs} messages"),
    ]
    for used, limit, said in limits:
        if limit <= 0 or used < NEARLY * limit:
            continue
        what = f"{name_of(info)} is {used / limit:.0%} full, of {said}"
        if config.discard != DiscardPolicy.NEW:
            remedy = "read it and drop what is done with"
            yield Finding(WARNING, f"{what}: the oldest go before their time", remedy)
        else:
            severity = ERROR if used >= AS_GOOD_AS * limit else WARNING
            remedy = "set a larger `storage.size`, or a shorter `storage.keep`, in the flow"
            yield Finding(severity, f"{what}: when it is full, listeners wait", remedy)


def _full_account(name: str, tier: AccountInfo | Tier) -> Iterator[Finding]:
    limits = tier.limits
    uses: Iterable[tuple[str, int, int, str, str]] = (
        ("storage", tier.storage, limits.max_storage, shown_size(limits.max_storage), "max_file"),
        ("streams", tier.streams, limits.max_streams, f"{limits.max_streams}", "max_streams"),
        (
            "consumers",
            tier.consumers,
            limits.max_consumers,
            f"{limits.max_consumers}",
            "max_consumers",
        ),
    )
    of = f" ({name})" if name else ""
    for what, used, limit, said, setting in uses:
        if limit > 0 and used >= NEARLY * limit:
            yield Finding(
                ERROR if used >= AS_GOOD_AS * limit else WARNING,
                f"JetStream {what} of our account{of}: {used / limit:.0%} of {said} are used",
                f"raise the account's limit ({setting}) in the NATS server's configuration",
            )
