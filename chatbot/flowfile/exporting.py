"""A checked flow as DFFML's own dataflow file, which DFFML's command line runs.

What is not DFFML's stays behind: listeners, state, schedules, where operations run and how long
they may take. A flow's end, `collect_outcome`, is in it as any operation.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from chatbot.flowfile.flow import Flow
from chatbot.flowfile.outcome import OutcomeConfig
from chatbot.flowfile.values import jsonable


def exported(flow: Flow) -> dict[str, Any]:
    """Return the flow's dataflow as DFFML's JSON and YAML files have it."""
    return _exported(flow.dataflow)


def _exported(dataflow: Any) -> dict[str, Any]:
    plain = dataflow.export(linked=True)
    for name, operation in dataflow.operations.items():
        if operation.validator:
            plain["operations"][name]["validator"] = True
    configs = {name: _config(config) for name, config in dataflow.configs.items()}
    if configs:
        plain["configs"] = configs
    for seed, given in zip(plain.get("seed", ()), dataflow.seed, strict=True):
        seed["value"] = jsonable(given.value)
    return dict(plain)


def _config(config: Any) -> Any:
    inner = getattr(config, "dataflow", None)
    if inner is not None:
        return {"dataflow": _exported(inner)}
    if isinstance(config, OutcomeConfig):
        return config.plain()
    return jsonable(config) if dataclasses.is_dataclass(config) else config
