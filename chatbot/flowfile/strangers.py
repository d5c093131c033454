"""Files that are no flows at all, and are given as one: told as that, and not key by key. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from chatbot.flowfile import keys as table
from chatbot.flowfile import slips
from chatbot.flowfile.document import Node

_KNOWN = frozenset((*table.names("flow"), *table.names("subflow")))
_LIKE = 0.7
_KINDS = {
    "services": "a compose file",
    "jobs": "a workflow of GitHub",
    "apiVersion": "a manifest of Kubernetes",
    "intents": "a file of Rasa",
    "nlu": "a file of Rasa",
    "build-system": "a Python project's pyproject.toml",
    "project": "a Python project's pyproject.toml",
    "dependencies": "a package.json",
    "scripts": "a package.json",
    "repos": "a configuration of pre-commit",
    "openapi": "an OpenAPI document",
    "$schema": "a JSON Schema",
}
"""What has a key that is called like that."""

HINT = "a flow has `version: 1` and `operations:`; `chatbot init` writes one"


def stranger(tree: Node) -> tuple[Node, str] | None:
    """Return the key that shows that a file is no flow, and what it may be ("" if unknown).

    `None` where it may be a flow: it has a key of one, or one that was meant as such.
    """
    given: Mapping[str, Node] = tree.value if isinstance(tree.value, dict) else {}
    odd = {name: node for name, node in given.items() if name not in _KNOWN}
    if not odd or "operations" in given:
        return None
    told = [name for name in odd if name in _KINDS]
    if told:
        return odd[told[0]], _KINDS[told[0]]
    if given.keys() & (_KNOWN - {"version", "name"}):
        return None
    if any(_is_meant(name, node) for name, node in odd.items()):
        return None
    first = next(iter(odd.values()))
    if all(_is_examples(node) for node in odd.values()):
        return first, "a file of examples, which `config: {examples: FILE}` names"
    if "tests" in odd:
        return odd["tests"], "a file of tests: `chatbot flow test` runs it"
    return first, ""


def _is_meant(name: str, node: Node) -> bool:
    """Whether a key is one of a flow's, misspelt, or an operation that stands too far left."""
    if (
        isinstance(node.value, dict)
        and {"run", "flow", "reply", "set", "action"} & node.value.keys()
    ):
        return True
    if slips.is_word_for(name, _KNOWN):
        return True
    return bool(difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=_LIKE))


def _is_examples(node: Node) -> bool:
    items = node.value
    return isinstance(items, list) and all(isinstance(item.value, str) for item in items)
