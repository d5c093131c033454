"""A flow's `listeners` against the listeners that are installed.

The rule: nothing that the environment gave is ever in a message.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.flowfile import slips
from chatbot.flowfile.catalog import Catalog, NotLoadedError
from chatbot.flowfile.document import Node
from chatbot.flowfile.environment import (
    Unset,
    Variable,
    as_scalar,
    fill_in,
    has_reference,
    is_reference,
)
from chatbot.flowfile.flow import ListenerSection
from chatbot.flowfile.policies import KEYS, take_policy
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.secrecy import (
    check_clear,
    check_file,
    file_of,
    in_credentials,
    secrets_of,
    without_secrets,
)
from chatbot.flowfile.sections import mapping
from chatbot.flowfile.values import INVALID, Values, fields_of

PRIORITIES = ("interactive", "bulk")


@dataclass(frozen=True, slots=True)
class Networks:
    """Checks the listeners of one flow file, which lies in `folder`."""

    catalog: Catalog
    variable: Variable
    folder: Path
    report: Report

    def section(self, name: str, node: Node) -> ListenerSection | None:
        """Return the checked section of the network `name`; `None` when it cannot be known."""
        hint = f"write {{server: {node.value}}}" if name == "irc" else "write {SETTING: VALUE}"
        entries = mapping(node, f"`{name}`", self.report, hint)
        if not isinstance(node.value, dict | None):
            return None
        priority = self._priority(entries.pop("priority", None))
        kind_node = entries.pop("kind", None)
        kind = name if kind_node is None else kind_node.value
        where = node.key if kind_node is None else kind_node.mark
        if not isinstance(kind, str) or kind not in self.catalog:
            hint = suggest(str(kind), self.catalog.names(), what="kinds")
            if kind_node is None and not hint.startswith("did"):
                hint = f"say what it is: `kind: irc`; {hint}"
            self.report.add(where, f"there is no listener of the kind `{kind}`", hint)
            return None
        try:
            listener = self.catalog.load(kind)
        except NotLoadedError as error:
            self.report.add(where, str(error))
            return None
        settings_type = getattr(listener, "settings_type", None)
        known = fields_of(settings_type) if settings_type is not None else {}
        if getattr(listener, "transient", False):
            self._refuse_policy(name, entries, known, "who started the program is answered")
        elif not getattr(listener, "hears", True):
            self._refuse_policy(name, entries, known, "nobody talks to it")
        policy, entries = take_policy(entries, known, self.report)
        rest = dataclasses.replace(node, value=entries)
        found = self._checked(name, kind, rest, settings_type)
        return dataclasses.replace(found, priority=priority, policy=policy)

    def _refuse_policy(
        self, name: str, entries: dict[str, Node], known: Container[str], why: str
    ) -> None:
        """Report what would have no effect there."""
        for key in [key for key in entries if key in KEYS and key not in known]:
            message = f"`{key}` means nothing to `{name}`: {why}"
            self.report.add(entries.pop(key).key, message)

    def _priority(self, node: Node | None) -> str:
        if node is not None and node.value not in PRIORITIES:
            hint = suggest(str(node.plain()), PRIORITIES)
            self.report.add(node.mark, "`priority` must be interactive or bulk", hint)
        return PRIORITIES[0] if node is None else str(node.value)

    def _checked(self, name: str, kind: str, node: Node, settings_type: Any) -> ListenerSection:
        entries = mapping(node, f"`{name}`", self.report)
        unset: list[Unset] = []
        self._check_references(entries)
        filled = {key: fill_in(entry, self.variable, unset) for key, entry in entries.items()}
        if settings_type is None:
            self._report_unset(unset)
            return ListenerSection(name, kind, {key: n.plain() for key, n in filled.items()})
        known = fields_of(settings_type)
        asked = {(u.mark.line, u.mark.column) for u in unset}
        missing = tuple(
            key
            for key, (_, required) in known.items()
            if required and _is_empty(filled.get(key), asked)
        )
        if not missing:
            self._report_unset(unset)
        before = len(self.report)
        secrets = secrets_of(settings_type)
        for key in secrets & entries.keys():
            check_clear(key, entries[key], frozenset(known), self.report)
        for key in [key for key in filled if file_of(key, secrets)]:
            filled[key] = in_credentials(filled[key], self.variable)
        settings = self._settings(name, entries, filled, known)
        for key in [key for key in settings if file_of(key, secrets)]:
            check_file(key, entries[key], Path(settings[key]), self.report)
        if len(self.report) == before and not (unset and not missing):
            self._check_all(node, settings_type, settings, missing)
        return ListenerSection(name, kind, settings, on=not missing, missing=missing)

    def _check_references(self, entries: dict[str, Node]) -> None:
        """Report what looks like a variable of the environment, and can be none."""
        for node in entries.values():
            text = node.value if isinstance(node.value, str) else ""
            if text.startswith("${") and text.endswith("}") and not has_reference(node):
                hint = "letters, digits and _: ${NAME}, or ${NAME:-default}"
                self.report.add(node.mark, "no variable of the environment has this name", hint)
                self.report.hush(node.mark)

    def _report_unset(self, unset: Iterable[Unset]) -> None:
        for variable in unset:
            hint = f"set it, or give a default: ${{{variable.name}:-...}}"
            message = f"the environment variable {variable.name} is not set"
            self.report.add(variable.mark, message, hint)

    def _settings(
        self,
        name: str,
        entries: dict[str, Node],
        filled: dict[str, Node],
        known: dict[str, tuple[Any, bool]],
    ) -> dict[str, Any]:
        values = Values(self.folder, self.report, existing=False)
        settings = {}
        for key, node in filled.items():
            if key not in known:
                names = [*known, *KEYS, "kind", "priority"]
                meant = slips.meant(key, names)
                hint = f"did you mean {meant}?" if meant else f"settings: {', '.join(known)}"
                self.report.add(node.key, f"`{name}` has no setting `{key}`", hint)
                continue
            annotation, required = known[key]
            if node.value is None or (node.value == "" and (required or annotation is not str)):
                continue
            if is_reference(entries[key]) and annotation is not str:
                node = as_scalar(node)
            value = values.convert(node, annotation, f"`{key}`")
            if value is not INVALID:
                settings[key] = value
        return settings

    def _check_all(
        self, node: Node, settings_type: Any, settings: dict[str, Any], missing: tuple[str, ...]
    ) -> None:
        """Let the listener's own settings object look, where it can (`problems`).

        While the listener is off, for what is `missing`, only what is there counts.
        """
        try:
            found = settings_type(**settings, **dict.fromkeys(missing, ""))
        except (TypeError, ValueError) as error:
            if missing:
                return
            shown = "" if has_reference(node) else f": {error}"
            self.report.add(node.key, f"the listener refuses its settings{shown}")
            return
        problems = getattr(found, "problems", None)
        for key, message in problems() if callable(problems) else ():
            if missing and key not in settings:
                continue
            message = without_secrets(message, found)
            at = node.at((key,))
            shown = "is wrong; it comes from the environment" if has_reference(at) else message
            where = _item_meant(at, shown).mark
            self.report.add(where, f"`{key}` {shown}" if _is_phrase(shown) else shown)


def _is_empty(node: Node | None, asked: set[tuple[int, int]]) -> bool:
    if node is None or node.value is None:
        return True
    return node.value == "" and (node.mark.line, node.mark.column) not in asked


def _item_meant(node: Node, message: str) -> Node:
    """Return the item of a list that a message begins with, or the list."""
    items = node.value if isinstance(node.value, list) else []
    return next((each for each in items if message.startswith(repr(each.plain()))), node)


def _is_phrase(message: str) -> bool:
    return message.startswith(("must ", "is ", "has ", "cannot "))
