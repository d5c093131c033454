"""A flow file with those that it includes, and its parameters: one tree, before it is understood.

The rule: every node keeps the place where it was written, so that what is wrong with it is told
there, and a file that it names is looked for beside there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chatbot.flowfile import slips
from chatbot.flowfile.document import Node, read
from chatbot.flowfile.keys import PRIMITIVES, names
from chatbot.flowfile.overrides import Override, apply
from chatbot.flowfile.problems import COMMAND_LINE, Mark, Report, suggest, suggest_file
from chatbot.flowfile.sections import VERSION, keys, mapping, version_hint
from chatbot.flowfile.strangers import HINT, stranger
from chatbot.flowfile.templated import place
from chatbot.flowfile.values import file_at

MOST = 64
"""Files that one file may be made of."""

_INCLUDE, _PARAMETERS, _LISTENERS = "include", "parameters", "listeners"
_OWN = ("version", "name", _INCLUDE, _PARAMETERS)
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
}


@dataclass(frozen=True, slots=True)
class Whole:
    """The tree of a file with all that it includes, and the files that it was made of."""

    tree: Node
    files: tuple[Path, ...]


def read_whole(
    tree: Node,
    path: Path,
    report: Report,
    overrides: Iterable[Override] = (),
    given: Node | None = None,
    user: Mark | None = None,
) -> Whole | None:
    """Return `tree`, which is of the file at `path`, whole; `None` for what is no map (reported).

    `given` are the values of its parameters, as `user` gives them, who is told which are missing.
    """
    return _Reader(report).whole(tree, path, tuple(overrides), given, user, (path.resolve(),))


class _Reader:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._count = 0

    def whole(
        self,
        tree: Node,
        path: Path,
        overrides: tuple[Override, ...],
        given: Node | None,
        user: Mark | None,
        chain: tuple[Path, ...],
    ) -> Whole | None:
        if not isinstance(tree.value, dict):
            self._report.add(tree.mark, "a flow file must be a map", "begin with `version: 1`")
            return None
        if (strange := stranger(tree)) is not None:
            self._refuse(strange, path, user)
            return None
        of_parameters = [each for each in overrides if each.path[0] == _PARAMETERS]
        tree = apply(tree, of_parameters, self._report)
        tree = self._filled(tree, path, given, user)
        files = [path]
        for inner in self._included(tree, path, chain):
            files += inner.files
            tree = merged(_without_own(inner.tree), tree)
        rest = [each for each in overrides if each.path[0] != _PARAMETERS]
        return Whole(apply(tree, rest, self._report), tuple(files))

    def _refuse(self, strange: tuple[Node, str], path: Path, user: Mark | None) -> None:
        """Report a file that is no flow: to whoever names it, else at its first odd key."""
        key, kind = strange
        what = f"{path.name} is" if user else "is"
        is_kind = f"it looks like {kind}; " if kind else ""
        self._report.add(user or key.key, f"{what} no flow", f"{is_kind}{HINT}")

    def _filled(self, tree: Node, path: Path, given: Node | None, user: Mark | None) -> Node:
        """Return `tree` with the values of its parameters in their places."""
        assert isinstance(tree.value, dict)
        declared = tree.value.get(_PARAMETERS) or _misspelt(tree.value)
        values = {} if given is None else mapping(given, "`with`", self._report)
        known = {} if declared is None else mapping(declared, f"`{_PARAMETERS}`", self._report)
        for name in [name for name in values if name not in known]:
            hint = suggest(name, known, what="there are")
            message = f"{path.name} has no parameter `{name}`"
            self._report.add(values.pop(name).key, message, hint)
        if not known:
            return tree
        found = {
            name: value
            for name, node in known.items()
            if (value := self._value(name, node, values.get(name), path, user)) is not None
        }
        filled = {
            name: node if name == _PARAMETERS else self._fill(node, found, name == _LISTENERS)
            for name, node in tree.value.items()
        }
        return replace(tree, value=filled)

    def _value(
        self, name: str, declared: Node, given: Node | None, path: Path, user: Mark | None
    ) -> Node | None:
        """Return the value of a parameter; `None` where there is none, which was reported."""
        kind, default = "any", declared
        if isinstance(declared.value, dict):
            entries = keys(declared, names("parameter"), f"`{name}`", self._report)
            kind = self._type(entries.get("type"))
            if "default" not in entries and given is None:
                message = f"{path.name} needs the parameter `{name}`"
                where = user or declared.key
                hint = f"with: {{{name}: ...}}" if user else "give it a `default`, too"
                self._report.add(where, message, hint)
                self._report.hush(declared.mark)
                return Node(declared.mark, None, declared.key)
            default = entries.get("default", declared)
        value = given or default
        wanted = _TYPES.get(kind)
        if wanted and (not isinstance(value.value, wanted) or _is_odd(value, kind)):
            message = f"the parameter `{name}` must be of type {kind}, not {value.kind}"
            self._report.add(value.mark, message)
        return value

    def _type(self, node: Node | None) -> str:
        if node is None:
            return "any"
        if isinstance(node.value, str) and node.value in PRIMITIVES:
            return node.value
        meant = slips.meant_type(str(node.plain()), PRIMITIVES)
        hint = f"did you mean {meant}?" if meant else f"types: {', '.join(PRIMITIVES)}"
        self._report.add(node.mark, "this is not a type", hint)
        return "any"

    def _fill(self, node: Node, values: Mapping[str, Node], lenient: bool) -> Node:
        """Return `node` with its references filled; `lenient`: others are the environment's."""
        if isinstance(node.value, dict):
            entries = {k: self._fill(n, values, lenient) for k, n in node.value.items()}
            return replace(node, value=entries)
        if isinstance(node.value, list):
            return replace(node, value=[self._fill(n, values, lenient) for n in node.value])
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        whole = _REFERENCE.fullmatch(node.value)
        if whole and whole[1] in values:
            return replace(values[whole[1]], key=node.key)
        return replace(node, value=self._text(node, values, lenient))

    def _text(self, node: Node, values: Mapping[str, Node], lenient: bool) -> str:
        def value(match: re.Match[str]) -> str:
            found = values.get(match[1])
            if found is None:
                if not lenient:
                    hint = suggest(match[1], values, what="there are")
                    where = place(node.mark, match[0])
                    self._report.add(where, f"there is no parameter `{match[1]}`", hint)
                    self._report.hush(node.mark)
                return match[0]
            if isinstance(found.value, dict | list):
                message = f"`{match[1]}` is {found.kind}, which cannot be part of a text"
                self._report.add(node.mark, message)
            return "" if found.value is None else str(found.value)

        return _REFERENCE.sub(value, str(node.value))

    def _included(self, tree: Node, path: Path, chain: tuple[Path, ...]) -> list[Whole]:
        assert isinstance(tree.value, dict)
        node = tree.value.get(_INCLUDE)
        if node is None or node.value is None:
            return []
        listed = node.value if isinstance(node.value, list) else [node]
        found = (self._include(each, path, chain) for each in listed)
        return [inner for inner in found if inner is not None]

    def _include(self, node: Node, path: Path, chain: tuple[Path, ...]) -> Whole | None:
        file, given = node, None
        before = len(self._report)
        if isinstance(node.value, dict):
            entries = keys(node, names("include"), f"`{_INCLUDE}`", self._report)
            file, given = entries.get("file", node), entries.get("with")
        if not isinstance(file.value, str) or not file.value:
            if len(self._report) > before:
                return None
            self._report.add(file.mark, f"`{_INCLUDE}` takes files", "include: networks.yaml")
            return None
        found = found_beside(file, path, self._report)
        if found is None:
            return None
        if found in chain:
            shown = " → ".join(each.name for each in (*chain, found))
            self._report.add(file.mark, f"a file includes itself: {shown}")
            return None
        self._count += 1
        if self._count > MOST:
            self._report.add(file.mark, f"over {MOST} files are included in all")
            return None
        tree = read(found, self._report)
        if tree is None:
            return None
        inner = self.whole(tree, found, (), given, file.mark, (*chain, found))
        if inner is not None:
            self._check_version(inner.tree)
        return inner

    def _check_version(self, tree: Node) -> None:
        version = tree.at(("version",))
        if version is tree:
            hint = f"begin with `version: {VERSION}`"
            self._report.add(tree.mark, "the version is missing", hint)
        elif version.value is True or version.value != VERSION:
            hint = version_hint(version)
            self._report.add(version.mark, "this version is not supported", hint)


def found_beside(node: Node, path: Path, report: Report) -> Path | None:
    """Return the file that a node names, seen from where it was written, or from `path`."""
    found = file_at(folder_of(node.mark, path), str(node.value))
    if found is None:
        report.add(node.mark, "no file can have this name")
        return None
    if not found.is_file():
        suffixes = (".yaml", ".yml", ".json", ".toml")
        there = [p.name for p in _files(found.parent) if p.suffix in suffixes]
        hint = suggest_file(found.name, [name for name in there if name != path.name])
        if not found.parent.is_dir():
            hint = f"there is no folder {found.parent}"
        report.add(node.mark, f"there is no file {found}", hint)
        return None
    return found


def folder_of(mark: Mark, path: Path) -> Path:
    """Return the folder of the file where something was written; on the command line, `path`'s."""
    return path.parent if mark.file == COMMAND_LINE else Path(mark.file).parent


def _misspelt(entries: Mapping[str, Node]) -> Node | None:
    """Return what was meant as the parameters, under another name, which is told elsewhere."""
    flow = names("flow")
    for name, node in entries.items():
        odd = name not in flow and isinstance(node.value, dict)
        if odd and slips.meant(name, flow) == _PARAMETERS:
            return node
    return None


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_odd(value: Node, kind: str) -> bool:
    return isinstance(value.value, bool) and kind != "boolean"


def _without_own(tree: Node) -> Node:
    assert isinstance(tree.value, dict)
    return replace(tree, value={k: n for k, n in tree.value.items() if k not in _OWN})


def merged(under: Node, over: Node) -> Node:
    """Return `over` with what only `under` has; maps are merged, all else is replaced."""
    if not (isinstance(under.value, dict) and isinstance(over.value, dict)):
        return over
    both = {
        name: merged(under.value[name], node) if name in under.value else node
        for name, node in over.value.items()
    }
    return replace(over, value={**under.value, **both})
