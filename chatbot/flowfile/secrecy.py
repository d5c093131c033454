"""Secrets in a flow file: which settings are some, whether one stands in clear, what to hide.

The rule: a field that a listener's settings leave out of their `repr` is a secret; it may come
from the environment or from a file, and else there is a warning. No source line that holds one
is ever quoted.
"""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path
from typing import Any

from chatbot.flowfile.document import Node
from chatbot.flowfile.environment import Variable, defaults, has_reference
from chatbot.flowfile.problems import Report

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable that names the folder of the credentials that systemd gives a service."""

_FILE = "_file"


def secrets_of(settings_type: type) -> frozenset[str]:
    """Return the names of the fields of a dataclass that hold secrets."""
    return frozenset(f.name for f in dataclasses.fields(settings_type) if not f.repr)


def file_of(key: str, secrets: frozenset[str]) -> str:
    """Return the secret whose file the setting `key` names, `""` where it names none."""
    name = key.removesuffix(_FILE)
    return name if name != key and name in secrets else ""


def without_secrets(message: str, settings: Any) -> str:
    """Return `message`, which a listener made about its `settings`, without what is secret."""
    for name in secrets_of(type(settings)):
        secret = getattr(settings, name)
        if isinstance(secret, str) and secret:
            message = message.replace(secret, "…")
    return message


def in_credentials(node: Node, variable: Variable) -> Node:
    """Return `node` with the path of systemd's credential of that name, where there is one."""
    folder = variable(CREDENTIALS)
    if not folder or not isinstance(node.value, str) or not node.value:
        return node
    path = Path(folder) / node.value
    try:
        return dataclasses.replace(node, value=str(path)) if path.is_file() else node
    except (OSError, ValueError):  # no file can be called so
        return node


def check_clear(key: str, node: Node, known: frozenset[str], report: Report) -> None:
    """Warn of a secret that stands in the file itself; `known` are the listener's settings."""
    if not _is_clear(node):
        return
    report.hide(node.mark)
    report.hide(node.key)
    hint = "write ${VARIABLE}"
    if key + _FILE in known:
        hint += f", or name a file with `{key}{_FILE}`"
    report.warn(node.mark, f"`{key}` is a secret, and stands here in clear", hint)


def check_file(key: str, node: Node, path: Path, report: Report) -> None:
    """Warn of a secret's file that everybody on the machine may read."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # the listener's own check says what is wrong with it
    if stat.S_ISREG(mode) and mode & (stat.S_IROTH | stat.S_IWOTH):
        hint = f"chmod 600 {path}; of a Kubernetes secret, `defaultMode: 0440`"
        report.warn(node.mark, f"`{key}`: everybody can read {path}", hint)


def _is_clear(node: Node) -> bool:
    if isinstance(node.value, dict | list):
        children = node.value.values() if isinstance(node.value, dict) else node.value
        return any(_is_clear(child) for child in children)
    if node.value is None or node.value == "":
        return False
    return any(defaults(str(node.value))) if has_reference(node) else True
