"""The Python files that a node was told to take operations from, as they are now.

The rule that it guards: only files that the command line named are loaded, from this disk; what
comes over the wire is compared with what they hold, and never looked up otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from chatbot.authoring.local import (
    LocalError,
    LocalFile,
    digest_of,
    file_named,
    load_file,
    operation_in,
    plain_name,
)
from chatbot.errors import OperationError
from chatbot.nodes.implementations import Implementation

KEPT = 8
"""Versions of a file that are kept: what has begun with one ends with it."""


class LocalOperations:
    """The operations in `files`; raises `OperationError` with all that is wrong with them.

    A file that has changed is loaded anew when a flow wants what it holds now.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self._versions: dict[Path, list[LocalFile]] = {}
        wrong: list[str] = []
        for path in dict.fromkeys(each.absolute() for each in files):
            try:
                found = load_file(path)
            except LocalError as error:
                wrong += map(str, error.faults)
                continue
            self._versions[path] = [found]
            if not found.operations:
                wrong.append(f"{path} has no operations (put `@operation` above a function)")
        if wrong:
            raise OperationError("\n".join(wrong), hint="docs/operations.md says how to write one")

    @property
    def names(self) -> list[str]:
        """What the operations are called by others, in all versions that are here."""
        return sorted(
            file.called(name)
            for versions in self._versions.values()
            for file in versions
            for name in file.operations
        )

    def has(self, called: str) -> bool:
        """Whether the operation is here, or in a file that has changed since it was loaded."""
        return self._version(called) is not None or self._changed(called) is not None

    def find(self, called: str) -> Implementation:
        """Return the operation's implementation; raises `OperationError`."""
        try:
            file = self._version(called) or self._load(called)
            name = plain_name(called).partition(":")[2]
            return cast(Implementation, operation_in(file, name))
        except LocalError as error:
            raise OperationError("\n".join(map(str, error.faults))) from error

    def lack(self, called: str) -> str:
        """Say why this node does not run an operation that a flow has from a file."""
        name = file_named(called)
        paths = [path for path in self._versions if path.name == name]
        if not paths:
            return f"this node was not given that file; start one with: --operations {name}"
        here = ", ".join(f"{path} is {digest_of(path) or 'away'}" for path in paths)
        wanted = called.rpartition("@")[2]
        return f"the flow's {name} is {wanted}, and {here} here: bring the same file here"

    def _version(self, called: str) -> LocalFile | None:
        for versions in self._versions.values():
            for file in versions:
                if any(file.called(name) == called for name in file.operations):
                    return file
        return None

    def _changed(self, called: str) -> Path | None:
        name, wanted = file_named(called), called.rpartition("@")[2]
        paths = (path for path in self._versions if path.name == name)
        return next((path for path in paths if digest_of(path) == wanted), None)

    def _load(self, called: str) -> LocalFile:
        path = self._changed(called)
        if path is None:
            raise OperationError(f"{plain_name(called)}: {self.lack(called)}")
        found = load_file(path)
        versions = self._versions[path]
        if found not in versions:
            self._versions[path] = [*versions, found][-KEPT:]
        return found
