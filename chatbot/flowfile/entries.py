"""The entries of `operations`, and sources wherever they stand: read into records.

An expression in a source's place becomes an operation of its own: see `Entries.implicit`.
"""

from __future__ import annotations

import re

from chatbot import labels
from chatbot.errors import UsageError
from chatbot.flowfile import keys as table
from chatbot.flowfile import slips
from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.sections import (
    INPUT,
    NAME,
    TIMEOUT,
    Literal,
    Name,
    Section,
    Source,
    Wire,
    keys,
    mapping,
)
from chatbot.flowfile.template import is_template
from chatbot.labels import Placement

REPLY, ACT, SET, EXPRESSION = "reply", "act", "set_state", "expression"
"""The operations that stand behind `reply`, `action`, `set` and an expression."""

LONGEST = 86_400.0
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min|m|h|)")
SET_KEY = "set"
_KINDS = ("run", "flow", "reply", "action", SET_KEY)
_OF_FLOW = ("flow", "with", "forward", "when", "inputs", "retry")
_OF_RUN = tuple(n for n in table.names("operation") if n not in ("with", "forward", *_KINDS[1:]))
_OF_OURS = ("when", "inputs")
_KICK = Node(Mark("", 0), "kick", Mark("", 0))
"""Stands for a kind that is missing, which was reported."""


class Entries:
    """Reads entries of one file; what is wrong is reported.

    `implicit` has the operations that expressions became, by names that no entry can have,
    `instances` the names of all entries.
    """

    def __init__(self, report: Report, *, subflow: bool) -> None:
        self._report = report
        self._subflow = subflow
        self._owner = ""
        self.implicit: dict[str, Section] = {}
        self.instances: tuple[str, ...] = ()

    def operation(self, name: str, node: Node) -> Section:
        """Return the entry `name`."""
        self._owner = name
        if not isinstance(node.value, dict | None):
            hint = ""
            if isinstance(node.value, str):
                glued = slips.unglued(node.value, table.names("operation"))
                hint = slips.parted(*glued) if glued else _as_entry(node.value)
            message = f"`{name}` must be a map, not {node.kind}"
            self._report.add(node.mark, message, hint or "write {run: OPERATION, inputs: {...}}")
            return Section(name=name, mark=node.key, run="", run_mark=node.key)
        given = mapping(node, f"`{name}`", self._report)
        kinds = [each for each in _KINDS if each in given]
        kind = self._kind(given, kinds)
        strays: dict[str, Node] = {}
        entries = self._allowed(given, node, name, kind, strays)
        kind = next((each for each in _KINDS if each in entries), kind)  # it may be misspelt
        flow = entries.get("flow")
        if flow is not None and not self._is_text(flow, "`flow`"):
            flow = None
        run, run_mark, config = self._what(kind, name, entries, node)
        return Section(
            name=name,
            mark=node.key,
            run=run,
            run_mark=run_mark,
            flow=flow,
            strays=strays,
            complete=_is_map(entries.get("inputs")) and len(kinds) < 2,
            inputs=self._wires(entries.get("inputs")),
            when=self._conditions(entries.get("when")),
            config=config,
            on=self._placement(entries.get("on")),
            on_mark=entries["on"].mark if "on" in entries else None,
            retry=self._whole(entries.get("retry"), "`retry`", range(1001), 0),
            batch=self._whole(entries.get("batch"), "`batch`", range(1, 100_001), 32),
            concurrency=self._whole(entries.get("concurrency"), "`concurrency`", range(1, 1025), 1),
            timeout=self._seconds(entries.get("timeout"), "`timeout`", TIMEOUT),
            optional=self._seconds(entries.get("optional"), "`optional`", 0.0),
            given=entries.get("with"),
            forward=self._forward(entries.get("forward")),
            expand=self._names(entries.get("expand"), "`expand`"),
            lock=self._names(entries.get("lock"), "`lock`"),
            cleanup=self._stage(entries.get("stage")),
        )

    def source(self, node: Node, owner: str = "") -> Source | None:
        """Return the source that `node` names, or the one that its expression became."""
        self._owner = owner or self._owner
        if not isinstance(node.value, str) or not node.value:
            hint = "a value that is given here is written {value: ...}"
            found = "an empty text" if node.value == "" else node.kind
            self._report.add(node.mark, f"a source must be a name, not {found}", hint)
            return None
        if is_template(node.value) and node.value[0] not in slips.CURLY:
            return self._expression(node)
        origin, dot, key = node.value.partition(".")
        if dot and origin and key and not slips.is_odd(node.value):
            return Source(origin, key, node.mark)
        if self._subflow and not dot:
            return Source(INPUT, origin, node.mark)
        hint = slips.source_hint(node.value, self.instances, self._subflow)
        self._report.add(node.mark, f"`{node.value}` is not a source", hint)
        return None

    def _kind(self, given: dict[str, Node], kinds: list[str]) -> str:
        """Return what the entry is; an entry that is two things is reported."""
        if kinds == ["run", "flow"]:
            return "flow"  # is said with the keys
        for other in kinds[1:]:
            message = f"`{other}` does not go with `{kinds[0]}`"
            self._report.add(given.pop(other).key, message, "make it an entry of its own")
        return kinds[0] if kinds else "run"

    def _allowed(
        self, given: dict[str, Node], node: Node, name: str, kind: str, strays: dict[str, Node]
    ) -> dict[str, Node]:
        """Return the entries that such a one may have; what may be none of its keys: `strays`."""
        rest = Node(node.mark, given, node.key)
        if kind == "run" and not any(slips.meant(key, _KINDS) == "flow" for key in given):
            known = (*_OF_RUN, *_KINDS)
            odd = [key for key in given if key not in known and not slips.meant(key, known)]
            strays |= {key: given.pop(key) for key in odd}
            return keys(rest, known, f"`{name}`", self._report)
        if kind == "run":
            return keys(rest, (*_OF_FLOW, "run"), f"`{name}`", self._report)
        if kind == "flow":
            self._refuse_beside_flow(given)
            return keys(rest, _OF_FLOW, f"`{name}`", self._report)
        if kind == SET_KEY and self._subflow:
            hint = "make it an output, and set it in the flow"
            self._report.add(given.pop(kind).key, "a subflow has no state", hint)
        return keys(rest, (kind, *_OF_OURS), f"`{name}`", self._report)

    def _refuse_beside_flow(self, given: dict[str, Node]) -> None:
        odd = [key for key in given if key in _OF_RUN and key not in _OF_FLOW]
        for key in [key for key in odd if key != "run"] if "run" in odd else ():
            del given[key]  # they are the operation's: it is the one that is too many, or right
        for key in [key for key in odd if key in given]:
            inside = "set it inside the subflow, or give its parameters as `with`"
            hint = "take one of them" if key == "run" else inside
            why = ": a subflow itself runs on the primary" if key == "on" else ""
            self._report.add(given.pop(key).key, f"`{key}` does not go with `flow`{why}", hint)

    def _what(
        self, kind: str, name: str, entries: dict[str, Node], node: Node
    ) -> tuple[str, Mark, Node | None]:
        """Return the operation that stands behind an entry, its place and its configuration."""
        if kind == "flow":
            return "", node.key, None
        if kind == "reply" and "reply" in entries:
            return REPLY, entries["reply"].key, self._reply(entries["reply"])
        if kind == "action" and "action" in entries:
            return ACT, entries["action"].key, self._action(entries["action"])
        if kind == SET_KEY and SET_KEY in entries:
            return SET, entries[SET_KEY].key, self._changes(entries[SET_KEY])
        run = entries.get("run")
        if run is not None and not self._is_text(run, "`run`"):
            run = None
        if run is None:  # with a `run` that was reported, it is not known
            return "" if "run" in entries else name, node.key, entries.get("config")
        return str(run.value), run.mark, entries.get("config")

    def _reply(self, node: Node) -> Node:
        if not isinstance(node.value, dict):
            if not self._is_text(node, "`reply`"):
                return Node(node.mark, None, node.key)
            return Node(node.mark, {"text": node}, node.key)
        given = keys(node, table.names("reply"), "`reply`", self._report)
        if "by" in given:
            given["by"] = self._as_expression(given["by"])
        elif "texts" in given:
            hint = "by: understand.label"
            self._report.add(given["texts"].key, "`texts` need a `by` to choose by", hint)
        if not {"text", "texts"} & set(given):
            self._report.add(node.mark, "a reply needs a `text`", "reply: Hello {{ message.name }}")
        return Node(node.mark, given, node.key)

    def _action(self, node: Node) -> Node:
        if not isinstance(node.value, dict):
            told = not self._is_text(node, "`action`")
            return Node(node.mark, {"kind": _KICK if told else node}, node.key)
        given = keys(node, table.names("action"), "`action`", self._report)
        if "kind" not in given:
            self._report.add(node.mark, "an action needs a `kind`", "action: {kind: kick}")
        return Node(node.mark, {"kind": _KICK, **given}, node.key)

    def _changes(self, node: Node) -> Node:
        entries = mapping(node, "`set`", self._report)
        if not entries:
            self._report.add(node.mark, "nothing is set", "set: {count: {add: 1}}")
        made = {name: self._change(name, entry) for name, entry in entries.items()}
        return Node(node.mark, {"changes": Node(node.mark, made, node.key)}, node.key)

    def _change(self, name: str, node: Node) -> Node:
        """Return a change as `set_state` has it: what is a source becomes an expression."""
        if isinstance(node.value, str):
            return Node(node.mark, {"to": self._as_expression(node)}, node.key)
        if not isinstance(node.value, dict):
            number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
            hint = f"write {{add: {node.value}}}, or" if number else "write"
            message = f"`{name}` must be changed by a map, not {node.kind}"
            self._report.add(node.mark, message, f"{hint} {{value: ...}}")
            return Node(node.mark, {}, node.key)
        before = len(self._report)
        given = keys(node, table.names("change"), f"`{name}`", self._report)
        ways = [way for way in ("value", "add", "append", "remove", "forget") if way in given]
        if len(ways) != 1 and len(self._report) == before:
            hint = "value, add, append, remove or forget"
            self._report.add(node.key, f"`{name}` must be changed in one way", hint)
        if "most" in given:
            self._whole(given["most"], "`most`", range(1, 1001), 100)
        for way in ("add", "append", "remove"):
            if way in given and (way != "add" or isinstance(given[way].value, str)):
                given[way] = self._as_expression(given[way])
        return Node(node.mark, given, node.key)

    def _as_expression(self, node: Node) -> Node:
        if not isinstance(node.value, str) or not node.value:
            self._report.add(node.mark, f"a source must be a name, not {node.kind}")
            return Node(node.mark, "", node.key)
        if is_template(node.value):
            return node
        source = self.source(node)
        if source is None:
            return Node(node.mark, "", node.key)
        name = source.key if source.origin == INPUT else f"{source.origin}.{source.key}"
        return Node(node.mark, "{{ " + name.replace("-", "_") + " }}", node.key)

    def _expression(self, node: Node) -> Source:
        name = f"{self._owner}~{sum(n.startswith(f'{self._owner}~') for n in self.implicit) + 1}"
        config = Node(node.mark, {"text": node}, node.key)
        self.implicit[name] = Section(name, node.mark, EXPRESSION, node.mark, config=config)
        return Source(name, "value", node.mark)

    def _placement(self, node: Node | None) -> Placement | None:
        if node is None or node.value is None:
            return None
        listed = node.value if isinstance(node.value, list) else None
        single = isinstance(node.value, str)
        words = [self._word(each, single=single) for each in ([node] if listed is None else listed)]
        if not all(words):
            return None  # was reported
        try:
            return labels.placement([str(word) for word in words])
        except UsageError as error:
            self._report.add(node.mark, f"`on`: {error.message}", error.hint)
            return None

    def _word(self, node: Node, *, single: bool) -> str:
        """Return a label, or where it stands alone a place; "" for what was reported."""
        if not isinstance(node.value, str):
            hint = "primary, nodes, or labels of nodes: gpu, host=db1, [gpu, size=large]"
            self._report.add(node.mark, f"`on` takes a label, not {node.kind}", hint)
            return ""
        if single and node.value in (labels.PRIMARY, labels.NODES):
            return node.value
        try:
            return labels.checked(node.value)
        except UsageError as error:
            self._report.add(node.mark, f"`on`: {error.message}", error.hint)
            return ""

    def _whole(self, node: Node | None, what: str, allowed: range, default: int) -> int:
        if node is None:
            return default
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            self._report.add(node.mark, f"{what} must be a whole number from {allowed[0]}")
        elif node.value not in allowed:
            message = f"{what} must be a whole number from {allowed[0]} to {allowed[-1]}"
            self._report.add(node.mark, message)
        else:
            return node.value
        return default

    def _seconds(self, node: Node | None, what: str, default: float) -> float:
        if node is None:
            return default
        found = None if isinstance(node.value, bool) else _DURATION.fullmatch(str(node.value))
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if 0.0 < seconds <= LONGEST:
            return seconds
        hint = "such as 500ms, 30s, 5m or 1h; without a unit it is seconds"
        self._report.add(node.mark, f"{what} must be a time of more than 0 and at most 24h", hint)
        return default

    def _is_text(self, node: Node, what: str) -> bool:
        if isinstance(node.value, str) and node.value:
            return True
        found = "an empty one" if node.value == "" else node.kind
        self._report.add(node.mark, f"{what} must be a text, not {found}")
        return False

    def _wires(self, node: Node | None) -> dict[str, Wire]:
        if node is None:
            return {}
        hint = "write {INPUT: SOURCE}, such as {text: message.text}"
        entries = mapping(node, "`inputs`", self._report, hint)
        return {name: self._wire(entry) for name, entry in entries.items()}

    def _wire(self, node: Node) -> Wire:
        if not isinstance(node.value, dict) or "from" not in node.value:
            return Wire(node.key, self._any_of(node))
        given = keys(node, ("from", "via", "default"), "a source", self._report)
        via = tuple(source for source in map(self.source, _listed(given.get("via"))) if source)
        sources = tuple(
            Source(each.origin, each.key, each.mark, via)
            for each in map(self.source, _listed(given["from"]))
            if each is not None
        )
        default = given.get("default")
        literal = None if default is None else Literal(default.plain(), default.mark)
        return Wire(node.key, sources, literal)

    def _any_of(self, node: Node) -> tuple[Source | Literal, ...]:
        if node.value == []:
            self._report.add(node.mark, "the list of sources is empty")
        found = (
            self._literal(n) if isinstance(n.value, dict) else self.source(n) for n in _listed(node)
        )
        return tuple(source for source in found if source is not None)

    def _literal(self, node: Node) -> Literal | None:
        before = len(self._report)
        if meant := slips.in_braces(node.value):
            self._report.add(node.mark, "a source is no map", f"write {meant}, without braces")
            return None
        entries = keys(node, ("value", "from", "via", "default"), "a given input", self._report)
        if "value" in entries:
            return Literal(entries["value"].plain(), entries["value"].mark)
        if len(self._report) == before:
            self._report.add(node.mark, "a given input is written {value: ...}")
        return None

    def _conditions(self, node: Node | None) -> tuple[Source, ...]:
        if node is None or node.value is None:
            return ()
        for each in _listed(node):
            if not isinstance(each.value, str):
                hint = "message.addressed, or an expression: \"{{ message.text == 'hi' }}\""
                always = "; for always, leave it out" if each.value is True else ""
                what = f"`when` takes a source, not {each.kind}"
                self._report.add(each.mark, what, f"such as {hint}{always}")
        texts = [each for each in _listed(node) if isinstance(each.value, str)]
        return tuple(source for source in map(self.source, texts) if source is not None)

    def _forward(self, node: Node | None) -> dict[str, Source]:
        entries = {} if node is None else mapping(node, "`forward`", self._report)
        found = {name: self.source(entry) for name, entry in entries.items()}
        return {name: source for name, source in found.items() if source is not None}

    def _names(self, node: Node | None, what: str) -> tuple[Name, ...]:
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self._report.add(node.mark, f"{what} must be a list, not {node.kind}", "write [a, b]")
            return ()
        return tuple(Name(str(n.value), n.mark) for n in node.value if self._is_text(n, what))

    def _stage(self, node: Node | None) -> bool:
        stages = table.SECTIONS["operation"].keys["stage"].choices
        if node is not None and node.value not in stages:
            hint = suggest(str(node.plain()), stages)
            self._report.add(node.mark, f"`stage` must be {' or '.join(stages)}", hint)
        return node is not None and node.value == "cleanup"


def _as_entry(text: str) -> str:
    """Return how an entry is written of which only a text was given."""
    said = f"{{reply: {text[:40]}}}"
    return f"write {{run: {text}}}, or {said}" if NAME.fullmatch(text) else f"write {said}"


def _is_map(node: Node | None) -> bool:
    return node is None or isinstance(node.value, dict | None)


def _listed(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return node.value if isinstance(node.value, list) else [node]
