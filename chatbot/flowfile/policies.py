"""What a flow file says of whom the bot answers, checked, with its places.

The keys of a listener's section that every listener has, and the flow's own `roles`, `order`
and `commands`. The rule: whatever is wrong is reported, and what is read then is the default.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from chatbot import policy
from chatbot.errors import UsageError
from chatbot.flowfile.document import Node
from chatbot.flowfile.keys import names
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import FlowFile, keys, mapping
from chatbot.policy import ADDRESSED, EVERYBODY, OFF, Policy, Quiet, Rate, Rules, Terms

ROOMS = "rooms"
KEYS = ("only", "allow", "deny", "limits", "quiet", ROOMS)
"""What a section may have beside its `kind`, its `priority` and the listener's own settings."""

ORDERS = ("by person", "any")

_ROOM_KEYS = names("room")
_LIMITS = ("person", "room")
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_COMMAND = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ACCOUNT_HINT = "network/account, such as irc/anna: an account, as a nick gives no rights"

T = TypeVar("T")


def take_policy(
    entries: dict[str, Node], known: Mapping[str, Any], report: Report
) -> tuple[Policy, dict[str, Node]]:
    """Take the policy out of the `entries` of a section; return it, and what is the listener's.

    `known` are the listener's own settings. Where it has one called `rooms` (those to be in), a
    list is that alone; a map is the policy's, and its names are the listener's rooms, too.
    """
    given = {name: entries[name] for name in KEYS if name in entries and name not in known}
    rest = {name: node for name, node in entries.items() if name not in given}
    rooms = given.get(ROOMS)
    if rooms is not None and isinstance(rooms.value, list):
        to_be_in = next((name for name in known if name in ("channels",)), "")
        hint = f"; the ones to be in are its `{to_be_in}`" if to_be_in else ""
        how = f'what differs in a room is written {{"#dev": {{only: addressed}}}}{hint}'
        report.add(rooms.mark, f"`{ROOMS}` must be a map, not a list", how)
        del given[ROOMS]
    rooms = rest.get(ROOMS)
    if rooms is not None and isinstance(rooms.value, dict):
        given[ROOMS] = rooms
        rest[ROOMS] = dataclasses.replace(rooms, value=_to_be_in(rooms.value))
    return _policy(given, report), rest


def read_rules(file: FlowFile, report: Report) -> Rules:
    """Return what the flow says for all its networks; what is wrong is reported."""
    return Rules(
        roles=_roles(file.roles, file.listeners, report),
        in_order=_choice(file.order, "order", ORDERS, _order(file), report) == ORDERS[0],
        prefix=_prefix(file.commands, report),
        own=_own(file.commands, report),
    )


def _order(file: FlowFile) -> str:
    """Return the order where nothing is said: what is kept of a person goes by their messages."""
    return ORDERS[0 if file.state is not None else 1]


def _to_be_in(rooms: dict[str, Node]) -> list[Node]:
    """Return the rooms that are named as such, and are not to be left alone."""
    return [
        Node(node.key, name, node.key)
        for name, node in rooms.items()
        if not set("*?") & set(name) and name != policy.PRIVATE
    ]


def _policy(given: dict[str, Node], report: Report) -> Policy:
    allow = _named(given.get("allow"), "allow", ("rooms", "people"), report)
    deny = _named(given.get("deny"), "deny", ("rooms", "people"), report)
    terms = _terms(given, Terms(allow=allow["people"], deny=deny["people"]), report)
    return Policy(
        terms=terms,
        rooms=_rooms(given.get(ROOMS), terms, report),
        allow=allow["rooms"],
        deny=deny["rooms"],
    )


def _rooms(node: Node | None, terms: Terms, report: Report) -> tuple[tuple[str, Terms], ...]:
    if node is None:
        return ()
    found = []
    for name, entry in mapping(node, f"`{ROOMS}`", report).items():
        if name in _ROOM_KEYS:
            hint = 'write that above it, in quotes, as # begins a comment: "#dev":'
            report.add(entry.key, f"`{name}` stands where a room's name does", hint)
            continue
        given = keys(entry, _ROOM_KEYS, f"`{name}`", report)
        changed: dict[str, Any] = {
            word: _named(given[word], word, ("people",), report)["people"]
            for word in ("allow", "deny")
            if word in given
        }
        inner = dataclasses.replace(terms, **changed)
        found.append((name, _terms(given, inner, report)))
    return tuple(found)


def _terms(given: dict[str, Node], around: Terms, report: Report) -> Terms:
    """Return `around` with what `given` changes in it."""
    changes: dict[str, Any] = {}
    if "only" in given:
        words = (ADDRESSED, EVERYBODY)
        only = _choice(given["only"], "only", words, EVERYBODY, report)
        changes["only_addressed"] = only == ADDRESSED
    if "listen" in given:
        changes["listen"] = _truth(given["listen"], "listen", report)
    if "quiet" in given:
        changes["quiet"] = _parsed(given["quiet"], "quiet", Quiet.parse, report)
    if "limits" in given:
        changes |= _limits(given["limits"], report)
    return dataclasses.replace(around, **changes)


def _limits(node: Node, report: Report) -> dict[str, Rate | None]:
    if _is_off(node):
        return dict.fromkeys(_LIMITS)
    given = keys(node, _LIMITS, "`limits`", report)
    return {name: _parsed(each, name, Rate.parse, report) for name, each in given.items()}


def _named(
    node: Node | None, what: str, words: tuple[str, ...], report: Report
) -> dict[str, tuple[str, ...]]:
    """Return the lists of `allow` or `deny`."""
    if node is not None and isinstance(node.value, list):
        hint = f"say of what: {{{words[-1]}: [...]}}"
        report.add(node.mark, f"`{what}` must be a map, not a list", hint)
        return dict.fromkeys(words, ())
    given = {} if node is None else keys(node, words, f"`{what}`", report)
    return {word: _texts(given.get(word), f"{what}.{word}", report) for word in words}


def _texts(node: Node | None, what: str, report: Report) -> tuple[str, ...]:
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, list):
        hint = "write [a, b]" if isinstance(node.value, str) else ""
        report.add(node.mark, f"`{what}` must be a list, not {node.kind}", hint)
        return ()
    found = []
    for item in node.value:
        if isinstance(item.value, str) and item.value:
            found.append(item.value)
            continue
        kind = "an empty one" if item.value == "" else item.kind
        hint = "put it in quotes: # begins a comment" if item.value is None else ""
        report.add(item.mark, f"`{what}` takes texts, not {kind}", hint)
    return tuple(found)


def _roles(
    node: Node | None, listeners: Mapping[str, Node], report: Report
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for role, entry in ({} if node is None else mapping(node, "`roles`", report)).items():
        if not _ROLE.fullmatch(role):
            report.add(entry.key, f"`{role}` cannot name a role", "small letters, digits, - and _")
        accounts = entry.value if isinstance(entry.value, list) else []
        for each in accounts:
            _check_account(each, role, listeners, report)
        found.append((role, _texts(entry, role, report)))
    return tuple(found)


def _check_account(node: Node, role: str, listeners: Mapping[str, Node], report: Report) -> None:
    if not isinstance(node.value, str) or not node.value:
        return  # is reported as any other text
    network, slash, account = node.value.partition("/")
    if not (network and slash and account):
        report.add(node.mark, f"`{role}`: `{node.value}` names no account", _ACCOUNT_HINT)
    elif network not in listeners:
        hint = suggest(network, listeners, what="listeners")
        report.add(node.mark, f"`{role}`: there is no listener `{network}`", hint)


def _prefix(node: Node | None, report: Report) -> str:
    if node is not None and _is_off(node):
        return ""
    if node is None or node.value is True:
        return policy.PREFIX
    if isinstance(node.value, str):
        report.add(node.mark, f"`commands` must be {OFF}, or a map", 'commands: {prefix: "!"}')
        return policy.PREFIX
    prefix = keys(node, names("commands"), "`commands`", report).get("prefix")
    if prefix is None:
        return policy.PREFIX
    text = prefix.value
    if isinstance(text, str) and 0 < len(text) <= 8 and not re.search(r"[\w\s]", text):
        return text
    report.add(prefix.mark, "`prefix` must be one to eight signs, such as ! or ~")
    return policy.PREFIX


def _own(node: Node | None, report: Report) -> tuple[str, ...]:
    """Return the names of the commands that are for the flow itself."""
    given = node.value.get("flow") if node is not None and isinstance(node.value, dict) else None
    found = _texts(given, "commands.flow", report)
    for each in given.value if given is not None and isinstance(given.value, list) else ():
        if isinstance(each.value, str) and not _COMMAND.fullmatch(each.value):
            hint = "small letters, digits, - and _, without the prefix: [appeal]"
            report.add(each.mark, f"`{each.value}` cannot name a command", hint)
    return found


def _choice(
    node: Node | None, what: str, words: tuple[str, ...], default: str, report: Report
) -> str:
    if node is None or node.value is None:
        return default
    if node.value not in words:
        hint = suggest(node.value, words) if isinstance(node.value, str) else ""
        report.add(node.mark, f"`{what}` must be {' or '.join(words)}", hint)
    return str(node.value)


def _truth(node: Node, what: str, report: Report) -> bool:
    if not isinstance(node.value, bool):
        report.add(node.mark, f"`{what}` must be true or false, not {node.kind}")
    return node.value is not False


def _parsed(node: Node, what: str, parse: Callable[[str], T], report: Report) -> T | None:
    """Return what `parse` makes of a text; `None` where it is off."""
    if _is_off(node):
        return None
    if not isinstance(node.value, str):
        number = isinstance(node.value, int) and not isinstance(node.value, bool)
        hint = f"such as {node.value} in 1m" if number else ""
        report.add(node.mark, f"`{what}` must be a text, or {OFF}, not {node.kind}", hint)
        return None
    try:
        return parse(node.value)
    except UsageError as error:
        report.add(node.mark, f"`{what}`: {error.message}", error.hint)
        return None


def _is_off(node: Node) -> bool:
    return node.value is False or node.value == OFF
