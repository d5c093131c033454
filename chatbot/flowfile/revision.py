"""A name for what a flow does: equal for equal operations, configuration and files.

Listeners are not in it, and so no secret is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chatbot.flowfile.configuration import Configuration
from chatbot.flowfile.sections import FlowFile, Literal, Section, Source
from chatbot.messages import digest


def revision(content: dict[str, Any]) -> str:
    """Return the revision of `content`, as `content_of` gives it."""
    return digest(json.dumps(content, sort_keys=True, ensure_ascii=True))


def content_of(
    file: FlowFile,
    configurations: dict[str, Configuration],
    inner: dict[str, dict[str, Any]],
    code: dict[str, str],
) -> dict[str, Any]:
    """Return what the behaviour of `file` depends on, with the contents of its subflows.

    `code` has the digests of the Python files that instances are from.
    """
    return {
        **({"code": code} if code else {}),
        "name": file.name,
        "inputs": file.inputs,
        "outputs": {name: _source(source) for name, source in file.outputs.items()},
        "seeds": {name: [s.value, s.type, s.lock] for name, s in file.seeds.items()},
        "validate": {name: each.text for name, each in file.validate.items()},
        "state": file.state and file.state.plain(),
        "operations": [
            [name, _operation(section, configurations.get(name)), inner.get(name)]
            for name, section in file.operations.items()
        ],
    }


def _operation(section: Section, configuration: Configuration | None) -> list[Any]:
    return [
        section.run,
        {
            key: [_sources(wire.sources), wire.default and [wire.default.value]]
            for key, wire in section.inputs.items()
        },
        _sources(section.when),
        {} if configuration is None else _config(configuration),
        [section.on and str(section.on), section.retry, section.batch, section.concurrency],
        section.timeout,
        [[each.text for each in names] for names in (section.expand, section.lock)],
        [section.cleanup, section.given and section.given.plain()],
        *([section.optional] if section.optional else []),
    ]


def _config(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration with the files' content instead of where they lie."""
    files = {key: _content(path) for key, path in configuration.files.items()}
    return {**configuration.plain, **files}


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _sources(sources: Iterable[Source | Literal]) -> list[Any]:
    return [_source(source) for source in sources]


def _source(source: Source | Literal) -> Any:
    if isinstance(source, Literal):
        return [source.value]
    return " ".join(f"{each.origin}.{each.key}" for each in (source, *source.via))
