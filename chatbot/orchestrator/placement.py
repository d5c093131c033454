"""Where an operation runs: on the primary, or on nodes. And how nodes are told of it.

On the primary: what the flow puts there, what is declared cheap, what looks into a context
(CLEANUP and OUTPUT operations, subflows). Everything else is work for nodes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
from dffml.df.types import Operation, Stage

from chatbot.errors import OperationError
from chatbot.messages import OperationRecord, digest
from chatbot.nodes.implementations import Implementation, installed

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

PRIMARY, NODES = "primary", "nodes"


def runs_on_primary(
    operation: Operation, implementation: Implementation | None, placed: str | None
) -> bool:
    """Whether `operation` runs on the primary; `placed` is what the flow says, if anything."""
    if operation.stage is not Stage.PROCESSING or operation.name == "dffml.dataflow.run":
        return True
    if placed is not None:
        return placed == PRIMARY
    return operation.name in ON_PRIMARY or bool(getattr(implementation, "cheap", False))


def record(
    operation: Operation,
    config: Any,
    *,
    private_to: str = "",
    batch: int = 32,
    concurrency: int = 1,
    contents: dict[str, tuple[str, str]] | None = None,
) -> OperationRecord:
    """Return what nodes are told of `operation`; `contents` maps file keys to (name, hash).

    Its key is derived from what it does, so that two instances with the same configuration
    share a model, and another configuration is another key. With `private_to`, an id of its
    own, it is for the node in this process, which is given the configuration itself. Raises
    `OperationError` where the configuration cannot cross the wire, and would have to.
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
    identity = digest(operation.name, encoded, str(operation.retry), length=16)
    return OperationRecord(
        key=f"{readable}-{identity}",
        name=operation.name,
        instance=str(operation.instance_name),
        config=plain,
        files=contents or {},
        retry=operation.retry,
        batch=batch,
        concurrency=concurrency,
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


def is_installed(operation: Operation) -> bool:
    """Whether nodes can find the operation by its name."""
    return operation.name in installed()
