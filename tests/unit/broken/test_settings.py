"""Configuration of operations, and of listeners: what is there, of which type, in which range."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.broken import BOT, CLEAN, OPS, TOP, case, check

LABEL = f"{TOP}operations:\n{CLEAN}  classify:\n    run: classify_text\n    inputs: {{text: clean.text}}\n"
SAY = f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n    config:\n"

CONFIG = [
    (f"{TOP}operations:\n{CLEAN}  ‸classify:\n    run: classify_text\n    inputs: {{text: clean.text}}\n",
     "the configuration of `classify_text` needs `examples`", "{examples: ...}"),
    (f"{LABEL}    ‸config: {{threshold: 0.5}}\n", "needs `examples`"),
    (f"{LABEL}    config: {{‸example: labels.yaml}}\n", "has no key `example`", "did you mean examples?"),
    (f"{LABEL}    config: {{examples: labels.yaml, ‸treshold: 0.5}}\n", "has no key `treshold`", "did you mean threshold?"),
    (f"{LABEL}    config: {{examples: labels.yaml, ‸model: bert}}\n", "has no key `model`", "encoder"),
    (f"{LABEL}    config: {{examples: labels.yaml, threshold: ‸high}}\n", "`threshold` must be a number, not a text"),
    (f"{LABEL}    config: {{examples: labels.yaml, threshold: ‸'0.5'}}\n", "`threshold` must be a number, not a text", "without quotes"),
    (f"{LABEL}    config: {{examples: labels.yaml, threshold: ‸50}}\n", "`threshold` is 50", "between 0 and 1"),
    (f"{LABEL}    config: {{examples: labels.yaml, threshold: ‸50%}}\n", "`threshold` must be a number, not a text", "0.5"),
    (f"{LABEL}    config: {{examples: labels.yaml, threshold: ‸0,5}}\n", "x"),
    (f"{LABEL}    config: {{examples: labels.yaml, threshold: ‸-1}}\n", "`threshold` is -1", "between 0 and 1"),
    (f"{LABEL}    config: {{examples: ‸lables.yaml}}\n", "there is no file", "did you mean labels.yaml?"),
    (f"{LABEL}    config: {{examples: ‸none/labels.yaml}}\n", "there is no file", "no folder"),
    (f"{LABEL}    config: {{‸examples: }}\n", "`examples` must be a file's name, not nothing"),
    (f"{LABEL}    config: {{examples: ‸{{greeting: [hi]}}}}\n", "`examples` must be a file's name, not a map"),
    (f"{LABEL}    config: ‸labels.yaml\n", "must be a map, not a text", "{examples: labels.yaml}"),
    (f"{LABEL}    config: ‸[labels.yaml]\n", "must be a map, not a list"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{text: message.text}}, ‸config: {{nick: bot}}}}\n",
     "`clean_text` takes no configuration", "inputs: {nick: ...}"),
    (f"{SAY}      ‸answer: {{greeting: hi}}\n", "has no key `answer`", "did you mean answers?"),
    (f"{SAY}      answers: ‸hello\n", "`answers` must be a map, not a text", "{KEY: VALUE}"),
    (f"{SAY}      answers: ‸[hello]\n", "`answers` must be a map, not a list"),
    (f"{SAY}      answers:\n        greeting: ‸5\n", "key `greeting` must be a text, not a whole number", "quotes"),
    (f"{SAY}      answers:\n        greeting: ‸[hi, hello]\n", "key `greeting` must be a text, not a list"),
    (f"{SAY}      answers:\n        greeting: ‸{{sender}}\n", "key `greeting` must be a text, not a map", "quotes"),
    (f"{SAY}      answers:\n        ‸greeting:\n", "key `greeting` must be a text, not nothing"),
    (f"{SAY}      answers:\n        greeting: \"hi ‸{{name}}\"\n", "unknown field {name}", "{sender}"),
    (f"{SAY}      answers:\n        greeting: \"hi ‸{{Sender}}\"\n", "unknown field {Sender}", "did you mean {sender}?"),
    (f"{SAY}      answers:\n        greeting: \"hi ‸{{sender.name}}\"\n", "unknown field {sender.name}"),
    (f"{SAY}      answers:\n        greeting: \"hi ‸{{}}\"\n", "unknown field {}", "{sender}"),
    (f"{SAY}      notice: ‸'yes'\n      answers: {{greeting: hi}}\n", "`notice` must be true or false, not a text"),
    (f"{SAY}      notice: ‸1\n      answers: {{greeting: hi}}\n", "`notice` must be true or false, not a whole"),
    (f"{SAY}      addressed_only: ‸greeting\n      answers: {{greeting: hi}}\n", "`addressed_only` must be a list, not a text", "[a, b]"),
    (f"{SAY}      addressed_only: [‸bye]\n      answers: {{greeting: hi}}\n", "'bye' has no answer"),
    (f"{SAY}      answers:\n        ‸greting: hi\n        bug: x\n",
     "label is never `greting`: it comes from classify.label", "did you mean greeting?"),
    (f"{SAY}      answers:\n        ‸pricing: hi\n        bug: x\n",
     "label is never `pricing`", "no example in labels.yaml has it"),
    (f"{SAY}      answers:\n        ‸Bug: hi\n", "label is never `Bug`", "did you mean bug?"),
]  # fmt: skip
CONFIG = [each for each in CONFIG if each[1] != "x"]

NET = f"{BOT}listeners:\n"
IRC = f'{NET}  irc:\n    server: irc.example.org\n    channels: ["#a"]\n'
MATRIX = f'{NET}  matrix:\n    user: "@bot:example.org"\n    password: ${{MATRIX_PASSWORD:-x}}\n    homeserver: https://example.org\n'

LISTENERS = [
    (f"{BOT}listeners: ‸[console]\n", "`listeners` must be a map, not a list", "{console: }"),
    (f"{BOT}listeners: ‸console\n", "`listeners` must be a map, not a text"),
    (f"{NET}  ‸consol:\n", "no listener of the kind `consol`", "did you mean console?"),
    (f"{NET}  ‸IRC:\n    server: x\n", "`IRC` cannot name a network", "small letters"),
    (f"{NET}  ‸slack:\n    token: ${{SLACK:-}}\n", "no listener of the kind `slack`", "kinds"),
    (f"{NET}  libera:\n    kind: ‸ircc\n    server: x\n", "no listener of the kind `ircc`", "did you mean irc?"),
    (f"{NET}  ‸libera:\n    server: irc.libera.chat\n", "no listener of the kind `libera`", "kind: irc"),
    (f"{IRC}    ‸chanels: [\"#b\"]\n", "`irc` has no setting `chanels`", "did you mean channels?"),
    (f"{IRC}    ‸host: irc.example.org\n", "`irc` has no setting `host`", "server"),
    (f"{IRC}    port: ‸ircs\n", "`port` must be a whole number, not a text"),
    (f"{IRC}    port: ‸'6697'\n", "`port` must be a whole number, not a text", "without quotes"),
    (f"{IRC}    port: ‸70000\n", "`port`"),
    (f"{IRC}    tls: ‸'yes'\n", "`tls` must be true or false, not a text"),
    (f"{IRC}    tls: ‸yes\n", "`tls` must be true or false, not a text", "true"),
    (f"{NET}  irc:\n    server: irc.example.org\n    channels: ‸\"#a\"\n", "`channels` must be a list, not a text", "[a, b]"),
    (f"{NET}  irc:\n    server: irc.example.org\n    channels:\n      -‸ #a\n", "item 1 must be a text, not nothing", "begins a comment"),
    (f"{NET}  irc:\n    server: irc.example.org\n    channels: [‸a b]\n", "channel"),
    (f"{IRC}    nick: ‸5\n", "`nick` must be a text, not a whole number", "quotes"),
    (f"{IRC}    nick: ‸my bot\n", "`nick`"),
    (f"{IRC}    password: ‸${{IRC_PASSWORD}}\n", "the environment variable IRC_PASSWORD is not set", "give a default"),
    (f"{IRC}    priority: ‸high\n", "`priority` must be interactive or bulk"),
    (f"{IRC}    delivery: ‸at-most-onc\n", "`delivery`"),
    (f"{IRC}    overflow: ‸wrap\n", "`overflow`"),
    (f"{IRC}    rate: ‸fast\n", "`rate` must be a number, not a text"),
    (f"{IRC}    only: ‸addresed\n", "`only` must be addressed or everybody", "did you mean addressed?"),
    (f"{IRC}    limits: {{person: ‸10 per minute}}\n", "`person`", "10 in 1m"),
    (f"{IRC}    limits: {{‸user: 10 in 1m}}\n", "`limits` has no key `user`", "person"),
    (f"{IRC}    limits: ‸5\n", "`limits` must be a map, not a whole number"),
    (f"{IRC}    quiet: ‸at night\n", "`quiet`"),
    (f"{IRC}    allow: ‸[anna]\n", "`allow` must be a map, not a list", "people"),
    (f"{IRC}    deny: {{people: ‸anna}}\n", "must be a list, not a text", "[a, b]"),
    (f"{IRC}    rooms: {{\"#a\": {{‸limit: off}}}}\n", "has no key `limit`", "did you mean limits?"),
    (f"{IRC}roles: {{moderator: [‸anna]}}\n", "names no account", "network/account"),
    (f"{IRC}roles: {{moderator: [‸libera/anna]}}\n", "there is no listener `libera`", "irc"),
    (f"{IRC}roles: {{moderator: ‸irc/anna}}\n", "`moderator` must be a list, not a text", "[a, b]"),
    (f"{IRC}roles: {{‸Moderator: [irc/anna]}}\n", "cannot name a role", "small letters"),
    (f"{BOT}order: ‸by room\n", "`order` must be by person or any"),
    (f"{BOT}commands: {{prefix: ‸abc}}\n", "`prefix` must be one to eight signs"),
    (f"{BOT}commands: ‸'!'\n", "`commands` must be off, or a map", "prefix"),
    (f"{BOT}backlog: ‸yesterday\n", "backlog"),
    (f"{BOT}storage: ‸much\n", "storage"),
    (f"{MATRIX}    rooms: ‸\"#a:example.org\"\n", "`rooms` must be a list, not a text", "[a, b]"),
    (f"{NET}  matrix:\n    user: ‸bot\n    password: ${{MATRIX_PASSWORD:-x}}\n", "`user`"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in CONFIG])
def test_a_configuration(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in LISTENERS])
def test_a_listener_and_what_the_flow_says_of_people(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected)
