"""Files that people write: flows, subflows, overrides, examples, recorded logs."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from chatbot.broker.server import running, token_in
from chatbot.commands import chatlog
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem, render
from chatbot.inference.examples import check_examples
from chatbot.messages import ChatMessage

FLOW = b"""\
version: 1
name: fuzz
operations:
  clean_text: {inputs: {text: message.text, nick: message.nick}}
  inner: {flow: inner.yaml, inputs: {text: clean_text.text}}
  answer: {inputs: {label: inner.label, sender: message.sender}, config: {answers: {hi: "yo"}}}
outputs: {label: inner.label}
"""
RICH = b"""\
version: 1
parameters: {word: hi, top: {type: number, default: 1}}
listeners: {irc: {server: x, channels: ["#a"], rooms: {"#a": {operations: {say: {config:
  {text: "{{ message.name }}"}}}}}}}
schedules: {daily: {every: day at 18:00, zone: Europe/Berlin, in: ["irc/#a"], catch up: none},
  often: {cron: "*/5 * * * mon-fri", in: "irc/#a"}}
state: {count: {per: room, type: integer, start: 0, keep: 1d}, all: {}}
seeds: {x: 1, y: {value: [1], type: list, lock: true}}
validate: {text: tidy}
operations:
  tidy: {run: expression, inputs: {value: message.text}, config: {text: "{{ value | trim }}"}}
  inner: {flow: inner.yaml, inputs: {text: {from: [message.text], default: ""}}}
  note: {set: {count: {add: 1}, all: {append: message.text, most: 3}}, when: "{{ seeds.x > 0 }}"}
  say: {reply: "{% for a in state.all %}{{ loop.index }}{{ a | upper }}{% endfor %} ${word}"}
  by: {reply: {by: inner.label, texts: {a: "{{ schedule.daily.time }}"}, markdown: true}}
outputs: {n: "{{ state.count + 1 }}", label: {from: inner.label, via: tidy.value}}
"""
TOML = b"""\
version = 1
[operations.say]
reply = '''
{{ message.text }}'''
[outputs]
"a b" = "say.reply"
"""
OWN = b"""{"operations": {"clean_text": {"name": "clean_text", "inputs": {"text": "t"},
"outputs": {"text": "c"}}}, "linked": true, "definitions": {"t": {"name": "t", "primitive":
"string"}, "c": {"name": "c", "primitive": "string"}}, "flow": {"clean_text": {"inputs":
{"text": ["seed"]}}}, "seed": [], "configs": {}}
"""
INNER = b"""\
version: 1
inputs: {text: string}
operations: {clean_text: {inputs: {text: text}}}
outputs: {label: clean_text.text}
"""


@functools.cache
def folder() -> Path:
    """Return a folder of this process's own, gone with it."""
    made = tempfile.TemporaryDirectory(prefix="chatbot-fuzz-")
    atexit.register(made.cleanup)
    return Path(made.name)


def flow(data: bytes) -> None:
    """Load a flow file; one that loads can be named."""
    _load(data, INNER)


def toml(data: bytes) -> None:
    """Load a flow file in TOML."""
    path = folder() / "fuzz.toml"
    path.write_bytes(data)
    with contextlib.suppress(FlowError):
        assert load(path).revision


def subflow(data: bytes) -> None:
    """Load a flow whose subflow is hostile."""
    _load(FLOW, data)


def overrides(data: bytes) -> None:
    """Load a good flow with what stands after `--set`, one a line."""
    _load(FLOW, INNER, data.decode(errors="replace").split("\n"))


def _load(outer: bytes, inner: bytes, given: Sequence[str] = ()) -> None:
    path = folder() / "fuzz.yaml"
    path.write_bytes(outer)
    (folder() / "inner.yaml").write_bytes(inner)
    problems: list[Problem] = []
    try:
        loaded = load(path, overrides=given, environment={"SECRET": "hunter2 ${SECRET}"}.get)
        assert loaded.revision
        json.dumps({name: section.config for name, section in loaded.instances.items()})
    except FlowError as error:
        problems = error.problems[:20]
    assert not any("hunter2" in render(problem, given) for problem in problems)


def examples(data: bytes) -> None:
    """Read labelled examples: texts, or problems."""
    path = folder() / "examples.yaml"
    path.write_bytes(data)
    found, problems = check_examples(path)
    assert problems or all(text.strip() for texts in found.values() for text in texts)
    assert all(str(problem) for problem in problems)


def log(data: bytes) -> None:
    """Read a recorded log: messages that can be sent, as many as are counted, or why not."""
    path = folder() / "2016-11-20.log"
    path.write_bytes(data)
    try:
        messages = list(chatlog.read(path, "bot"))
    except UsageError:
        return
    assert len(messages) == asyncio.run(chatlog.count(path))
    for message in messages:
        assert ChatMessage.decode(message.encode()) == message


def server_announcement(data: bytes) -> None:
    """Read what an embedded server left behind: an address, or none."""
    _in_nats("server.json", data)
    assert running(folder()) is None or isinstance(running(folder()), str)


def server_token(data: bytes) -> None:
    """Read a credential of an embedded server: one that can be none is made anew."""
    path = _in_nats("token", data)
    token = token_in(path)
    assert len(token) >= 32
    assert token.isascii()
    assert token.isprintable()
    assert token_in(path) == token


def _in_nats(name: str, data: bytes) -> Path:
    path = folder() / "nats" / name
    path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    path.write_bytes(data)
    return path


TARGETS: dict[str, Callable[[bytes], None]] = {
    "flow_file": flow,
    "toml_file": toml,
    "subflow_file": subflow,
    "overrides": overrides,
    "examples_file": examples,
    "chat_log": log,
    "server_announcement": server_announcement,
    "server_token": server_token,
}
