"""Where an operation runs: on the primary, or on (some) nodes. And how nodes are told of it.

On the primary: what the flow puts there, what is declared cheap, what looks into a context
(CLEANUP and OUTPUT operations, subflows). Everything else is work for nodes.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from dffml.df.types import Operation, Stage

from chatbot.errors import OperationError, UsageError
from chatbot.labels import Placement, placement
from chatbot.messages import PROTOCOL, LearnerRecord, OperationRecord, digest
from chatbot.nodes.implementations import Implementation, installed

log = logging.getLogger(__name__)

ON_PRIMARY = frozenset(
    {
        "dffml.dataflow.run",
        "dffml.mapping.create",
        "dffml.mapping.extract",
        "literal_eval",
        "multiply",
        "print_output",
        "AcceptUserInput",
    }
)
"""Those of DFFML's own operations that are cheap, or need the primary's terminal or context."""


def placements(given: Mapping[str, str | Sequence[str]]) -> dict[str, Placement]:
    """Return what is asked of instances, by their paths; raises `OperationError`.

    Each is `primary`, `nodes`, or the labels that a node must have: one, or a list.
    """
    found = {}
    for path, where in given.items():
        try:
            found[path] = placement(where)
        except UsageError as error:
            raise OperationError(
                f"the placement of {path}: {error.message}", hint=error.hint
            ) from error
    return found


def warn_of_unknown(placed: Collection[str], paths: Collection[str]) -> None:
    """Log what is placed and is in no dataflow."""
    for path in sorted(set(placed) - set(paths)):
        near = difflib.get_close_matches(path, paths, n=1)
        hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(sorted(paths))
        log.warning("a placement is for %s, which the dataflow does not have: %s", path, hint)


def runs_on_primary(
    operation: Operation, implementation: Implementation | None, placed: Placement | None
) -> bool:
    """Whether `operation` runs on the primary; `placed` is what the flow says, if anything.

    What looks into a context runs there, whatever is said; that it is not heeded is logged.
    """
    if operation.stage is not Stage.PROCESSING or operation.name == "dffml.dataflow.run":
        if placed is not None and not placed.primary:
            why = "a subflow"
            if operation.stage is not Stage.PROCESSING:
                why = f"an operation of the stage {operation.stage.name}"
            log.warning("%s runs on the primary, as %s does", operation.instance_name, why)
        return True
    if placed is not None:
        return placed.primary
    return operation.name in ON_PRIMARY or bool(getattr(implementation, "cheap", False))


def record(
    operation: Operation,
    config: Any,
    *,
    private_to: str = "",
    batch: int = 32,
    concurrency: int = 1,
    labels: tuple[str, ...] = (),
    timeout: float = 0.0,
    contents: dict[str, tuple[str, str]] | None = None,
    learning: LearnerRecord | None = None,
) -> OperationRecord:
    """Return what nodes are told of `operation`; `contents` maps file keys to (name, hash).

    Its key is derived from what it does, so that two instances with the same configuration
    share a model, and another configuration, time limit, protocol or other labels of its nodes are
    another key: no node takes work that is not for it. With `private_to`, an id of its own, it
    is for the node in this process, which is given the configuration itself, and `labels` are
    of no account. Raises `OperationError` where the configuration cannot cross the wire, and
    would have to.
    """
    readable = "".join(c if c.isalnum() else "_" for c in operation.name)[-24:]
    if private_to:
        return OperationRecord(
            key=f"{readable}-{digest(private_to, length=16)}",
            name=operation.name,
            instance=str(operation.instance_name),
            retry=operation.retry,
            batch=batch,
            concurrency=concurrency,
            private=True,
            timeout=timeout,
            learning=learning,
        )
    plain = {
        key: value
        for key, value in as_plain(config).items()
        if not isinstance(value, Path) and key not in (contents or {})
    }
    try:
        encoded = msgspec.msgpack.encode((plain, sorted((contents or {}).items())))
    except (TypeError, OverflowError, ValueError) as error:
        raise OperationError(
            f"the configuration of {operation.instance_name} cannot be sent to a node: {error}",
            hint="use strings, numbers, lists, maps and file names; or place it on the primary",
        ) from error
    about = (str(PROTOCOL), operation.name, encoded, str(operation.retry), *labels)
    if timeout:
        about = (*about, f"{timeout:g} s")  # with its space it is no label
    if learning is not None:  # what one flow learns is none of another's business
        about = (*about, learning.encode().hex())
    identity = digest(*about, length=16)
    return OperationRecord(
        key=f"{readable}-{identity}",
        name=operation.name,
        instance=str(operation.instance_name),
        config=plain,
        files=contents or {},
        retry=operation.retry,
        batch=batch,
        concurrency=concurrency,
        labels=labels,
        timeout=timeout,
        learning=learning,
    )


def as_plain(config: Any) -> dict[str, Any]:
    """Return a configuration as a dict of its own fields; an empty one for none."""
    if config is None:
        return {}
    if isinstance(config, dict):
        return dict(config)
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {item.name: getattr(config, item.name) for item in dataclasses.fields(config)}
    return dict(config._asdict()) if hasattr(config, "_asdict") else {}


def is_to_be_had(operation: Operation, implementation: Implementation | None) -> bool:
    """Whether nodes can have the operation: installed, or from the Python file that has it here."""
    return operation.name in installed() or hasattr(implementation, "local")
