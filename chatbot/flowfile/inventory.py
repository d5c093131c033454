"""What a flow file is made of, when it is assembled: its instances by path, and its files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chatbot.flowfile import beside
from chatbot.flowfile.flow import Instance
from chatbot.flowfile.installed import SUBFLOW
from chatbot.flowfile.sections import FlowFile
from chatbot.flowfile.wiring import Part


def instances(
    parts: Mapping[str, Part], inner: Mapping[str, Mapping[str, Instance]]
) -> dict[str, Instance]:
    """Return all instances by their paths; `inner` are those of the subflows, by instance."""
    found = {}
    for name, part in parts.items():
        found[name] = _instance(part)
        for path, instance in inner.get(name, {}).items():
            found[f"{name}/{path}"] = replace(instance, name=f"{name}/{path}")
    return found


def files(file: FlowFile, parts: Mapping[str, Part]) -> frozenset[Path]:
    """Return the files that a flow file itself depends on, its subflows' not among them."""
    named = {path for part in parts.values() for path in part.configuration.files.values()}
    local = (beside.file_of(part.implementation) for part in parts.values())
    named |= {each.path for each in local if each is not None}
    return frozenset(path.absolute() for path in {*file.files, *named})


def digests(parts: Mapping[str, Part]) -> dict[str, str]:
    """Return what the files beside the flow hold that its instances are from."""
    local = {name: beside.file_of(part.implementation) for name, part in parts.items()}
    return {name: file.digest for name, file in local.items() if file is not None}


def _instance(part: Part) -> Instance:
    section, configuration = part.section, part.configuration
    return Instance(
        name=section.name,
        operation=section.run or SUBFLOW,
        on=section.on,
        config=configuration.plain,
        files=configuration.files,
        retry=section.retry,
        batch=section.batch,
        concurrency=section.concurrency,
        timeout=section.timeout if section.run else 0.0,
        optional=section.optional,
    )
