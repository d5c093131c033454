"""What we add to a flow file's own operations: its end, and the instance that a subflow is."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from chatbot.flowfile.catalog import own
from chatbot.flowfile.configuration import Configuration
from chatbot.flowfile.foreign import Foreign
from chatbot.flowfile.outcome import START, CollectOutcome, Gather, GatherConfig, OutcomeConfig
from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import SEEDS, Section, Seed
from chatbot.flowfile.wiring import ACTION, CHANGE, REPLY, Part, Wired, renamed

OUTCOME = "outcome"
RESULTS = "results"
"""The instance names of the operations that end a flow for a bot and a subflow."""


def gathered(found: Foreign) -> Any:
    """Return the dataflow of a file of DFFML's, with an end that has a name for all it gives."""
    from dffml import Input, InputFlow

    made = copy.copy(found.dataflow)
    made.operations = {**made.operations, RESULTS: Gather.op._replace(instance_name=RESULTS)}
    made.flow = {**made.flow, RESULTS: InputFlow(inputs={"start": ["seed"]})}
    made.seed = [*made.seed, Input(value=True, definition=START)]
    made.implementations = {**made.implementations, Gather.op.name: own(Gather.imp)}
    made.configs = {**made.configs, RESULTS: GatherConfig(found.outputs, found.many)}
    made.update()
    return made


def outcome(wired: dict[str, Wired], outputs: dict[str, Any]) -> Wired:
    """Return the end of a flow for a bot: it collects what was decided, and `outputs` by name."""
    from dffml import Input, InputFlow

    given = [d for w in wired.values() for d in w.operation.outputs.values()]
    replies, actions, changes = (_called(name, given) for name in (REPLY, ACTION, CHANGE))
    return Wired(
        operation=CollectOutcome.op._replace(instance_name=OUTCOME),
        implementation=own(CollectOutcome.imp),
        flow=InputFlow(inputs={"start": ["seed"]}),
        seeds=[Input(value=True, definition=START)],
        config=OutcomeConfig(replies, outputs, tuple(wired), actions, changes),
    )


def results(outputs: dict[str, Any], inputs: dict[str, Any]) -> Wired:
    """Return the end of a subflow that has `inputs`: `get_single` of `outputs`.

    DFFML refuses a subflow that does not give all of its outputs. So every one of them is
    seeded with null, which stands where a condition kept the value from coming.
    """
    from dffml import Input, InputFlow
    from dffml.operation.output import GetSingle

    spec = [{name: definition.name} for name, definition in outputs.items()]
    [definition] = GetSingle.op.inputs.values()
    return Wired(
        operation=GetSingle.op._replace(instance_name=RESULTS),
        implementation=own(GetSingle.imp),
        flow=InputFlow(inputs={"spec": ["seed"]}),
        seeds=[
            Input(value=spec, definition=definition),
            *(_null(d) for d in outputs.values() if d not in inputs.values()),
        ],
    )


def subflow(
    section: Section,
    dataflow: Any,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    decisions: dict[str, str],
    *,
    collected: bool,
    report: Report,
    expand: Iterable[str] = (),
) -> Part:
    """Return the instance that runs `dataflow`: DFFML's `dffml.dataflow.run`.

    `inputs` are the definitions by which the subflow knows them, a string first;
    `decisions` those of its `outputs` that are to be said or done.
    """
    from dffml import Definition
    from dffml.operation.dataflow import RunDataFlowConfig, run_dataflow

    # Without `spec` and `validate`: those were at work inside, and would refuse a null here.
    given = {k: Definition(d.name, d.primitive, lock=d.lock) for k, d in outputs.items()}
    part = Part(
        section=section,
        operation=run_dataflow.op._replace(inputs=inputs, outputs=given, expand=[*expand]),
        implementation=own(run_dataflow.imp),
        configuration=Configuration(RunDataFlowConfig(dataflow)),
        decisions=decisions,
    )
    return renamed(part, report, collected=collected)


def dataflow(
    wired: dict[str, Wired],
    seeds: dict[str, dict[str, Any]],
    values: Mapping[str, Seed],
    forward: Mapping[str, list[Any]],
) -> Any:
    """Return the DataFlow of the instances in `wired`.

    It takes inputs defined by `seeds` (by origin and name), of which `values` are in it. What is
    defined as `forward` says goes on to subflows that run.
    """
    from dffml import DataFlow, Forward, Input

    book = Forward()
    for instance, definitions in forward.items():
        book.add(instance, definitions)
    given = [
        Input(value=copy.deepcopy(seed.value), definition=seeds[SEEDS][name])
        for name, seed in values.items()
    ]
    return DataFlow(
        operations={name: w.operation for name, w in wired.items()},
        flow={name: w.flow for name, w in wired.items()},
        seed=[*given, *(seed for w in wired.values() for seed in w.seeds)],
        configs={name: w.config for name, w in wired.items() if w.config is not None},
        definitions={d.name: d for each in seeds.values() for d in each.values()},
        implementations={w.operation.name: w.implementation for w in wired.values()},
        forward=book,
    )


def _called(name: str, definitions: list[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for definition in definitions:
        if definition.name == name and definition not in found:
            found.append(definition)
    return tuple(found)


def _null(definition: Any) -> Any:
    from dffml import Definition, Input

    null = Input(value=None, definition=Definition(definition.name, definition.primitive))
    null.definition = definition  # only now: a `spec` or `validate` of it would refuse null
    return null
