"""A flow file's `schedules`, checked, with their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chatbot.errors import UsageError
from chatbot.flowfile.document import Node
from chatbot.flowfile.keys import SECTIONS, names
from chatbot.flowfile.problems import Report, nearest, suggest
from chatbot.flowfile.sections import FlowFile, keys, mapping
from chatbot.schedule import UTC_ZONE, Schedule, checked_cron, checked_zone, cron_of

_CATCH_UP = SECTIONS["schedule"].keys["catch up"].choices


def names_of(node: Node | None) -> list[str]:
    """Return the names of the schedules; reports nothing."""
    return list(node.value) if node is not None and isinstance(node.value, dict) else []


def read_schedules(file: FlowFile, report: Report) -> tuple[Schedule, ...]:
    """Return the schedules of a flow; what is wrong is reported."""
    node = file.schedules
    entries = {} if node is None else mapping(node, "`schedules`", report)
    found = []
    for name, entry in entries.items():
        if not name.isidentifier():
            report.add(entry.key, f"`{name}` cannot be a name here", "letters, digits and _")
            continue
        schedule = _schedule(name, entry, file.listeners, report)
        if schedule is not None:
            found.append(schedule)
    return tuple(found)


def _schedule(
    name: str, node: Node, listeners: Mapping[str, Node], report: Report
) -> Schedule | None:
    before = len(report)
    given = keys(node, names("schedule"), f"`{name}`", report)
    times = [key for key in ("every", "cron") if key in given]
    if len(times) != 1:
        hint = "every: day at 18:00" if not times else "take one of them"
        where = given[times[-1]].key if times else node.key
        report.add(where, f"`{name}` must have `every` or `cron`", hint)
        return None
    read = cron_of if times == ["every"] else checked_cron
    cron = _text(given[times[0]], times[0], read, report)
    zone = _text(given["zone"], "zone", checked_zone, report) if "zone" in given else UTC_ZONE
    rooms = _rooms(given.get("in"), node, name, listeners, report)
    catch_up = given.get("catch up")
    if catch_up is not None and catch_up.value not in _CATCH_UP:
        hint = suggest(str(catch_up.plain()), _CATCH_UP)
        report.add(catch_up.mark, f"`catch up` must be {' or '.join(_CATCH_UP)}", hint)
    if len(report) > before or cron is None or zone is None:
        return None
    latest = catch_up is None or catch_up.value == _CATCH_UP[0]
    return Schedule(name, cron, zone, rooms, latest)


def _rooms(
    node: Node | None, around: Node, name: str, listeners: Mapping[str, Node], report: Report
) -> tuple[tuple[str, str], ...]:
    if node is None or node.value in (None, []):
        report.add(around.key, f"`{name}` needs the rooms that it is for", "in: [libera/#dev]")
        return ()
    found = []
    for each in node.value if isinstance(node.value, list) else [node]:
        network, slash, room = str(each.value).partition("/")
        if not isinstance(each.value, str) or not (network and slash and room):
            here = next((n for n in listeners if not _is_terminal(n, listeners)), "libera")
            room = str(each.value) if isinstance(each.value, str) and each.value else "#dev"
            hint = f'network/room, in quotes where it has a #: "{here}/{room.strip("/")}"'
            report.add(each.mark, "`in` takes rooms", hint)
        elif _is_terminal(network, listeners):
            hint = "take a room of a network"
            report.add(each.mark, f"`{network}` is a terminal: it has no room that stays", hint)
        elif network not in listeners:
            hint = suggest(network, listeners, what="listeners")
            report.add(each.mark, f"there is no listener `{network}`", hint)
        else:
            _warn_of_room(network, room, listeners[network], each, report)
            found.append((network, room))
    return tuple(found)


def _warn_of_room(network: str, room: str, listener: Node, node: Node, report: Report) -> None:
    """Warn of a room that is nearly one of those that the bot joins there."""
    joined = [each.plain() for key in ("channels", "rooms") for each in _items(listener.at((key,)))]
    near = "" if room in joined else nearest(room, [each for each in joined if each != room])
    if near and near.casefold() != room.casefold():
        message = f"the bot does not join `{room}` of `{network}`"
        report.warn(node.mark, message, f"did you mean {near}?")


def _items(node: Node) -> list[Node]:
    items = node.value if isinstance(node.value, list) else []
    return [each for each in items if isinstance(each.value, str)]


def _is_terminal(network: str, listeners: Mapping[str, Node]) -> bool:
    if network not in listeners:
        return False
    kind = listeners[network].at(("kind",))
    named = kind.value if isinstance(kind.value, str) else network
    return named in ("console", "jsonl")


def _text(node: Node, key: str, read: Callable[[str], str], report: Report) -> str | None:
    if not isinstance(node.value, str):
        report.add(node.mark, f"`{key}` must be a text, not {node.kind}")
        return None
    try:
        return read(node.value)
    except UsageError as error:
        report.add(node.mark, f"`{key}`: {error.message}", error.hint)
        return None
