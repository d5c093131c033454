"""The JSON Schema of flow files: what is right validates, what is wrong does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chatbot.flowfile.document import read
from chatbot.flowfile.problems import Report
from chatbot.flowfile.schema import schema
from tests.servers.processes import ROOT
from tests.unit import broken
from tests.unit.broken import test_operations as operations
from tests.unit.broken import test_settings as settings
from tests.unit.broken import test_wiring as wiring

FLOWS = [
    path
    for path in sorted((ROOT / "flows").rglob("*.yaml"))
    if "labels" not in path.name and not path.name.endswith(".test.yaml")
]
UNSEEN = (
    *("version: ‸1.0", "timeout: ‸0", "timeout: ‸2d"),  # 1.0 is 1; whose value is out of range
    "flow: inner.yaml",  # what a subflow takes is in a file of its own
    "file's name, not",
)
"""What no schema can know."""

SEEN = [
    case
    for case in [
        *operations.FILE,
        *operations.NAMES,
        *operations.KEYS,
        *operations.INSTALLED,
        *operations.SUBFLOWS,
        *settings.CONFIG,
        *settings.LISTENERS,
        *wiring.INPUTS,
        *wiring.OUTPUTS,
    ]
    if not any(words in " ".join(case) for words in UNSEEN)
    and any(
        words in " ".join(case[1:])
        for words in (
            *("has no key", "must be a", "must be true", "must be one", "not supported", "missing"),
            *(
                "no operation",
                "takes no",
                "has no input",
                "needs the input",
                "needs `",
                "no setting",
            ),
            *("no setting", "cannot name an operation", "is an operation"),
        )
    )
]
"""Those of the broken files whose fault a schema can see."""


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    found = schema()
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def tree_of(path: Path) -> Any:
    tree = read(path, Report())
    return None if tree is None else tree.plain()


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.name)
def test_every_flow_that_ships_is_valid(validator: Draft202012Validator, path: Path) -> None:
    problems = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(tree_of(path))]
    assert problems == []


def test_the_flow_that_broken_ones_are_made_of_is_valid(
    tmp_path: Path, validator: Draft202012Validator
) -> None:
    path, *_ = broken.written(tmp_path, f"‸{broken.BOT}")
    assert list(validator.iter_errors(tree_of(path))) == []
    assert list(validator.iter_errors(tree_of(tmp_path / "inner.yaml"))) == []


@pytest.mark.parametrize("expected", [broken.case(each) for each in SEEN])
def test_a_broken_flow_is_not_valid(
    tmp_path: Path, validator: Draft202012Validator, expected: tuple[str, ...]
) -> None:
    path, *_ = broken.written(tmp_path, expected[0])
    assert not validator.is_valid(tree_of(path)), expected[1]


def test_it_offers_what_is_installed(validator: Draft202012Validator) -> None:
    defs = validator.schema["$defs"]
    assert {"classify_text", "clean_text", "answer"} <= set(
        defs["operation"]["properties"]["run"]["anyOf"][0]["enum"]
    )
    config = defs["operation classify_text"]["properties"]["config"]
    assert config["required"] == ["examples"]
    assert config["properties"]["several"]["default"] is False
    irc = defs["listener irc"]
    assert irc["properties"]["port"]["default"] == 6697
    assert "TLS" in irc["properties"]["port"]["description"]


ODD = [
    "  say: {reply: hi, when: }\n",
    "  say: {reply: hi, when: []}\n",
    "  on: {reply: yes}\n",
    "  say: {run: ./shout.py:shout, inputs: {text: message.text}}\n",
    "  sum: {run: expression, inputs: {x: message.text}, config: {text: '{{ x }}'}}\n",
    "  say: {reply: '{{ x }}', inputs: {x: {value: 5}}}\n",
    "  say: {reply: hi}\nstorage: {keep: 1w, size: 1GiB, replicas: 3}\n",
    "  say: {reply: hi}\nseeds: {a: 1, b: {value: x, type: string}, c: [1], d: {k: v}, e: null}\n",
    "  say: {reply: hi}\nbacklog: ask nothing, only record\n",
    "  say: {reply: hi}\nlisteners:\ncommands: off\n",
    "  say: {reply: hi}\nparameters: {long: 1d}\nstorage: {keep: '${long}'}\n",
    "  say: {reply: hi}\nlisteners: {irc: {server: a.example, limits: {person: off}}}\n",
    "  say: {reply: hi}\nparameters: {mode: by person}\norder: '${mode}'\n",
    "  say: {run: expression, inputs: {x: message.text}, config: {text: '{{ x }}'}, batch: '${n}',"
    " concurrency: '${n}'}\nparameters: {n: 3}\n",
    "  say: {reply: '{{ schedule.d.date }}'}\n"
    "listeners: {irc: {server: a.example}}\nschedules: {d: {every: Day at 18:00, in: irc/#a}}\n",
]


@pytest.mark.parametrize("operations", ODD)
def test_what_is_odd_and_right_is_valid(
    tmp_path: Path, validator: Draft202012Validator, operations: str
) -> None:
    path, *_ = broken.written(tmp_path, f"version: 1\noperations:\n{operations}‸")
    (tmp_path / "shout.py").write_text(
        "from chatbot import operation\n\n\n"
        "@operation\ndef shout(text: str) -> str:\n    return text\n"
    )
    assert broken.problems_of(path) == []
    assert [e.message for e in validator.iter_errors(tree_of(path))] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "backlog: 10m\n",
        "storage: {size: 1 gig}\n",
        "storage: {keep: 1 week}\n",
        "schedules: {d: {cron: 0 18 * *, in: irc/#a}}\n",
        "schedules: {d: {every: daily, in: irc/#a}}\n",
        "schedules: {d: {every: day at 6pm, in: irc/#a}}\n",
        "listeners: {irc: {server: a.example, quiet: at night}}\n",
        "listeners: {irc: {server: a.example, limits: 10 in 1m}}\n",
        "listeners: {irc: {server: a.example, limits: {person: 10 per minute}}}\n",
        "commands: '!'\n",
        "backlog: skip older then 10m\n",
        "storage: {replicas: many}\n",
        "order: by room\n",
        "include: [{path: a.yaml}]\n",
    ],
)
def test_figures_that_are_none_are_not_valid(
    tmp_path: Path, validator: Draft202012Validator, wrong: str
) -> None:
    path, *_ = broken.written(tmp_path, f"version: 1\n{wrong}operations: {{say: {{reply: hi}}}}\n‸")
    assert not validator.is_valid(tree_of(path))


def test_a_flow_that_only_includes_others_is_valid(validator: Draft202012Validator) -> None:
    assert validator.is_valid({"version": 1, "include": ["a.yaml", {"file": "b.yaml"}]})
    assert not validator.is_valid({"version": 1})
