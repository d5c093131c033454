"""Streams that are there already, on their way to the configuration that they should have.

The rule that it guards: outcomes are kept for longer than what was heard at every step of the
way, nothing that is stored is lost to a change that was not asked for, and what a newer program
has set up is left alone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

from chatbot.broker import replicas, subjects
from chatbot.errors import StorageError
from chatbot.units import shown_duration, shown_size

if TYPE_CHECKING:
    from chatbot.broker.connection import Broker

log = logging.getLogger(__name__)

FORMAT = 1
"""The version of how streams and buckets are set up. A program leaves alone what has a larger
one: count it up with a change that an older program must not undo."""

FORMAT_KEY = "chatbot-format"
OURS = "CHATBOT_"
STREAM_NAME_IN_USE = 10058
NO_ROOM = {10047, 10077}
WISH = "chatbot-kept-"

_SHARED = {subjects.WORK, subjects.DONE, subjects.DEAD}
_UNSET: dict[str, Any] = {
    "subjects": [],
    "retention": RetentionPolicy.LIMITS,
    "max_age": 0.0,
    "max_bytes": -1,
    "max_msgs_per_subject": -1,
    "discard": DiscardPolicy.OLD,
    "discard_new_per_subject": False,
    "storage": StorageType.FILE,
    "allow_direct": False,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
}
"""What we want to say of a stream, and what the server takes it for where we do not."""


async def ensure(broker: Broker, streams: list[StreamConfig]) -> None:
    """Create the streams, or bring them to this configuration; see `streams.ensure`."""
    marked = [_marked(each) for each in streams]
    found = await asyncio.gather(*(_info(broker, str(each.name)) for each in marked))
    for config, info in sorted(zip(marked, found, strict=True), key=_turn):
        if info is None:
            info = await _created(broker, config)
        if info is not None:
            await _bring(broker, config, info)


def differences(existing: StreamConfig, config: StreamConfig) -> dict[str, tuple[Any, Any]]:
    """Return what `existing` has otherwise than `config` wants it: name → (is, should be)."""
    wanted = _merged(existing, config)
    pairs = {name: (_value(existing, name), _value(wanted, name)) for name in _UNSET}
    told = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if wanted.num_replicas and wanted.num_replicas != existing.num_replicas:
        told["num_replicas"] = (existing.num_replicas, wanted.num_replicas)
    return told


def format_of(config: StreamConfig) -> int:
    """Return the version of how a stream was set up; 0 for what says nothing of it."""
    told = (config.metadata or {}).get(FORMAT_KEY, "")
    return int(told) if told.isdigit() else 0


def shown(told: dict[str, tuple[Any, Any]]) -> str:
    """Return differences as a sentence for people."""
    return ", ".join(f"{n} {_shown(n, was)} → {_shown(n, now)}" for n, (was, now) in told.items())


def _marked(config: StreamConfig) -> StreamConfig:
    return config.evolve(metadata={**(config.metadata or {}), FORMAT_KEY: str(FORMAT)})


def _value(config: StreamConfig, name: str) -> Any:
    value = getattr(config, name)
    return _UNSET[name] if value is None else value


def _merged(existing: StreamConfig, config: StreamConfig) -> StreamConfig:
    """Return `config` with what others have said of the stream, and want of it if it is shared."""
    said = {**(existing.metadata or {}), **(config.metadata or {})}
    config, wishing = config.evolve(metadata=said), _wishes(config)
    if config.name not in _SHARED:
        return config
    copies = max(config.num_replicas or 0, existing.num_replicas or 0)
    config = config.evolve(num_replicas=copies if config.num_replicas else None)
    if config.name != subjects.DEAD:
        return config
    ages = _wishes(config)
    # A node has no wish of its own, and takes what it finds.
    age = max(ages) if ages else config.max_age if wishing else existing.max_age
    return config.evolve(max_age=age)


def _wishes(config: StreamConfig) -> list[float]:
    """Return for how many seconds each flow wants the stream's messages kept."""
    said = (config.metadata or {}).items()
    return [float(seconds) for name, seconds in said if name.startswith(WISH) and seconds.isdigit()]


def _turn(pair: tuple[StreamConfig, StreamInfo | None]) -> int:
    """Outcomes grow older first, what was heard next, and outcomes grow younger last."""
    config, info = pair
    if info is None or not str(config.name).startswith(f"{OURS}OUT_"):
        return 1
    return 0 if (config.max_age or 0.0) >= (info.config.max_age or 0.0) else 2


async def _info(broker: Broker, name: str) -> StreamInfo | None:
    try:
        return await broker.js.stream_info(name)
    except NotFoundError:
        return None


async def _created(broker: Broker, config: StreamConfig) -> StreamInfo | None:
    """Create the stream; where somebody else did so in this moment, return theirs."""
    copies = config.num_replicas or 0
    try:
        await replicas.placed(
            broker, lambda n: broker.js.add_stream(config.evolve(num_replicas=n)), exactly=copies
        )
    except APIError as error:
        if error.err_code == STREAM_NAME_IN_USE:
            return await _info(broker, str(config.name))
        if refusal := _refused(config, error):
            raise refusal from error
        raise
    return None


async def _bring(broker: Broker, config: StreamConfig, info: StreamInfo) -> None:
    existing, name = info.config, str(config.name)
    if format_of(existing) > FORMAT:
        log.warning(
            "leave the stream %s as it is: a newer chatbot has set it up; upgrade chatbot here",
            name,
        )
        return
    wanted = _merged(existing, config)
    told = differences(existing, config)
    copies = existing.num_replicas or 1
    grows = not wanted.num_replicas and replicas.wanted(broker) > copies
    if not told and not grows and wanted.metadata == existing.metadata:
        return
    _check_room(wanted, info)
    changed = existing.evolve(**{key: _value(wanted, key) for key in _UNSET})
    changed = changed.evolve(metadata=wanted.metadata)
    if changed.max_age:  # the server insists on it
        changed = changed.evolve(duplicate_window=min(changed.duplicate_window, changed.max_age))
    try:
        await replicas.placed(
            broker,
            lambda n: broker.js.update_stream(changed.evolve(num_replicas=n)),
            exactly=wanted.num_replicas or 0,
            least=copies,
        )
    except APIError as error:
        if refusal := _refused(wanted, error):
            raise refusal from error
        raise
    if told:
        log.info("changed the stream %s: %s", name, shown(told))


def _shown(name: str, value: Any) -> str:
    if name == "max_age":
        return shown_duration(value) if value else "for ever"
    if name == "max_bytes":
        return shown_size(value) if value > 0 else "unlimited"
    return str(getattr(value, "value", value))


def _check_room(wanted: StreamConfig, info: StreamInfo) -> None:
    """Refuse a limit that is passed already: nothing could be stored until what is there ages.

    The server would take it. Dead letters give way, the oldest first.
    """
    limit = wanted.max_bytes or -1
    if 0 < limit < info.state.bytes and wanted.discard is DiscardPolicy.NEW:
        raise StorageError(
            f"the stream {wanted.name} keeps {shown_size(info.state.bytes)} already, and "
            f"`storage.size` would limit it to {shown_size(limit)}: it would take nothing more",
            hint="set a larger `size`, or a shorter `keep` first, and wait until it has aged",
        )


def _refused(config: StreamConfig, error: APIError) -> StorageError | None:
    """Return what to tell people of a refusal; `None` where no setting of theirs caused it."""
    what = f"NATS cannot keep the stream {config.name} as the flow's `storage` wants it"
    if replicas.too_few_servers(error):
        copies = config.num_replicas
        return StorageError(
            f"{what}: it has not {copies} servers for {copies} copies ({error.description})",
            hint="set `storage.replicas` to auto, or to the number of servers that there are",
        )
    if error.err_code in NO_ROOM:
        return StorageError(
            f"{what}: it has no room for {shown_size(config.max_bytes or 0)}",
            hint="set a smaller `storage.size`, or give the server more room (max_file_store)",
        )
    if error.code == 500 and error.err_code:
        return StorageError(
            f"{what} ({error.description})",
            hint="`chatbot doctor` says what differs; what cannot be changed in place must be "
            "emptied, deleted and made anew",
        )
    return None
