"""Flow files that are odd, and right: none may be refused, nor warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import check_subflow, is_subflow, load
from tests.unit.broken import LABELS

T = "version: 1\noperations:\n"
UNDERSTAND = """\
version: 1
inputs: {text: string, nick: string}
operations:
  clean: {run: clean_text, inputs: {text: text, nick: nick}}
  classify:
    run: classify_text
    when: clean.open
    inputs: {text: clean.text}
    config: {examples: labels.yaml}
outputs: {label: classify.label, score: classify.score, sure: classify.sure}
"""
U = "  understand: {flow: understand.yaml, inputs: {text: message.text, nick: message.nick}}\n"
R = "  say: {reply: hi}\n"
I = 'version: 1\nlisteners:\n  irc: {server: a.example, channels: ["#a"]%s}\noperations:\n' + R  # noqa: E741

# fmt: off
RIGHT = [
 T+"  say: {reply: hi}", "\ufeff"+T+R, (T+R).replace("\n","\r\n"), (T+R).replace("\n","\r") ,
 "---\n"+T+R, "---\n"+T+R+"...\n", "%YAML 1.2\n---\n"+T+R, "# c\n\n"+T+"\n\n  # c\n"+R+"\n\n",
 '{"version": 1, "operations": {"say": {"reply": "hi"}}}',
 'version: 1\n"operations":\n  "say":\n    "reply": \'it\'\'s\'\n',
 T+"  on: {reply: hi}\n  no: {reply: ho}\n  yes: {reply: x}\n  null: {reply: z}\n",
 T+"  1: {reply: hi}\n  2nd: {reply: hi}\n",
 T+"  say:\n    reply: |\n      Hello {{ message.name }}: [a]\n      # no comment\n      - x\n",
 T+"  say:\n    reply: >-\n      folded: text\n      {{ message.name }}\n",
 T+"  say: {reply: \"{# comment #}hi\"}\n",
 T+"  say: {reply: \"{% for w in ['a','b'] %}{{ w }}{% endfor %}\"}\n",
 T+"  say: {reply: \"{% set x = message.text | length %}{{ x }}\"}\n",
 T+"  say: {reply: \"{{ message.text | default('x') | upper | trim }}\"}\n",
 T+"  say: {reply: \"\U0001f41b grüße 你好 \\u00a0\"}\n",
 T+"  say: {reply: hi, when: []}\n", T+"  say: {reply: hi, when: }\n",
 T+"  say: &a {reply: hi}\n  two: *a\n",
 "version: 1\noperations:\n  say: &a {reply: hi, when: message.private}\n  two: {<<: *a, reply: ho}\n",
 "version: 1\noperations:\n  ? say\n  : {reply: hi}\n",
 T+U+"  a: {reply: hi, when: [understand.sure, message.private]}\n",
 T+U+"  a: {reply: hi, when: \"{{ understand.label in ['bug', 'greeting'] and not message.private }}\"}\n",
 T+U+"  a: {reply: \"{{ understand.score }}\", when: \"{{ understand.score >= 0.5 }}\"}\n",
 T+U+"  a: {reply: {by: understand.label, text: dunno, texts: {bug: x}}}\n",
 T+"  a: {run: clean_text, inputs: {text: [message.text, message.name], nick: {value: bot}}}\n",
 T+"  a: {run: clean_text, inputs: {text: {from: message.text, default: x}, nick: message.nick}}\n",
 T+"  a: {run: clean_text, inputs: {text: \"{{ message.text | upper }}\", nick: message.nick}, timeout: 90, retry: 0, on: [gpu, \"size=large\"]}\n",
 T+"  clean_text: {inputs: {text: message.text, nick: message.nick}}\n",
 I % "", I % ", tls: false, port: 6667", I % ", password: \"${X:-}\"", I % ", quiet: off", I % ", limits: off",
 I % ", rooms: {\"#a\": {listen: false}}", I % ", limits: {person: 10 in 1m, room: off}",
 I % ", nick: \"bot[1]\"", I % ", servers: [\"b.example:6667\", \"[::1]:6697\"]", I% ", channels: []".replace("channels","invites").replace("[]","true"),
 "version: 1\nlisteners: {console: }\ncommands: off\norder: any\nbacklog: answer\noperations:\n"+R,
 "version: 1\nlisteners: {}\noperations:\n"+R, "version: 1\nlisteners:\noperations:\n"+R,
 "version: 1\nlisteners: {libera: {kind: irc, server: a.example, channels: [\"#a\"]}, oftc: {kind: irc, server: b.example, channels: [\"#a\"]}}\noperations:\n"+R,
 "version: 1\nstorage: {keep: 1w, size: 1GiB, replicas: 3}\noperations:\n"+R,
 "version: 1\nroles: {moderator: []}\noperations:\n"+R,
 "version: 1\nstate: {n: {}}\noperations:\n  a: {set: {n: message.text}}\n",
 "version: 1\nstate: {n: {type: number, start: 0}}\noperations:\n  a: {set: {n: {add: 0.5}}}\n  b: {set: {n: {value: 3}}}\n  c: {set: {n: {forget: true}}}\n",
 "version: 1\nstate: {n: {type: list}}\noperations:\n  a: {set: {n: {append: \"{{ message.name }}\", most: 3}}}\n",
 "version: 1\nlisteners: {irc: {server: a.example, channels: [\"#a\"]}}\nschedules: {d: {every: day at 18:00, in: \"irc/#a\"}}\noperations:\n  a: {reply: \"{{ schedule.d.date }} {{ message.room }}\"}\n  b: {reply: \"{{ message.text }}\"}\n",
 "version: 1\nlisteners: {irc: {server: a.example, channels: [\"#a\"]}}\nschedules: {d: {cron: \"*/5 8-18 * * 1-5\", zone: America/New_York, in: [\"irc/#a\"]}}\nstate: {n: {per: room, start: []}}\noperations:\n  a: {reply: \"{{ schedule.d.date }} {{ state.n | length }}\"}\n  b: {set: {n: {append: message.text}}}\n",
 "version: 1\nlisteners: {irc: {server: a.example, channels: [\"#a\"]}}\nschedules: {d: {every: hour, in: [\"irc/#a\"]}, e: {every: 15m, in: [\"irc/#a\"]}}\noperations:\n  a: {reply: \"{{ x }}\", inputs: {x: [schedule.d, schedule.e]}}\n  b: {reply: \"{{ y }}\", inputs: {y: {from: schedule.d, default: none}, z: message.text}}\n",
 "version: 1\nseeds: {a: 1, b: {value: x, type: string}, c: [1], d: {k: v}, e: null}\noperations:\n  a: {reply: \"{{ seeds.a }}{{ seeds.b }}\"}\n",
 "version: 1\nparameters: {word: hi}\noperations:\n  a: {reply: \"${word}\"}\n",
 "version: 1\nname: a-b_c9\noperations:\n"+R,
 "version: 1\ninputs: {text: string}\noperations:\n  a: {run: clean_text, inputs: {text: text, nick: input.text}}\noutputs: {text: a.text}\n",
 "version: 0x1\noperations:\n"+R, "version: 1   # the format\noperations: # all\n"+R,
 T+"  say: {reply: \"a # b\"}\n", T+"  say: {reply: a#b}\n", T+"  say: {reply: http://a.example/x:y}\n", T+"  say: {reply: 10:30 is fine}\n",
 T+"  say: {reply: yes}\n", T+"  say: {reply: on}\n", T+"  say: {reply: '007'}\n",
 T+"  say:\n    reply:\n      text: hi\n      notice: true\n",
 "operations:\n  say:\n    reply: hi\nversion: 1\n",
 T+U+"  a: {reply: hi, when: \"{{ understand.label is not none and understand.score is number }}\"}\n",
 T+U+"  a: {reply: hi, when: \"{{ understand.score | round(1) == 0.5 or understand.score * 100 > 50 }}\"}\n",
 T+"  say: {reply: \"{{ '}}' }} ends it, {a: 1} does not, and it costs $5\"}\n",
 T+"  say: {reply: \"{{ message.text | length > 5 }}{{ message.text | int + 1 }}{{ message.text ~ 1 }}{{ message.text[:9] }}\"}\n",
 T+"  say: {reply: hi, when: \"{{ message.addressed == true and message.text == '12' and message.command == 'x' }}\"}\n",
 "version: 1\nstate: {n: {type: integer, start: 0}, f: {type: number}, x: {}}\noperations:\n  a: {set: {f: state.n, x: message.addressed}}\n  b: {reply: \"{{ state.n + 1 }}\", when: \"{{ state.n < 0.5 }}\"}\n",
 "version: 1\nlisteners: {irc: {server: }}\noperations:\n"+R, "version: 1\nlisteners: {irc: {server: , account: bot, account_password: \"${P:-}\"}}\noperations:\n"+R,
 "version: 1\nlisteners: {irc: {server: a.example, channels: [\"#a\"]}}\nschedules: {d: {every: hour, in: irc/#talk}}\noperations:\n  a: {reply: \"{{ schedule.d.due }}\"}\n",
 T+"  a: {run: expression, inputs: {x: [message.text, b.value]}, config: {text: '{{ x }}'}}\n  b: {run: expression, inputs: {y: a.value}, when: message.private, config: {text: '{{ y }}'}}\n",
]
# fmt: on


@pytest.mark.parametrize("text", RIGHT, ids=range(len(RIGHT)))
def test_what_is_odd_and_right_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.yaml").write_text(LABELS)
    (tmp_path / "understand.yaml").write_text(UNDERSTAND)
    path = tmp_path / "flow.yaml"
    path.write_bytes(text.encode())
    if is_subflow(path):
        _, warnings = check_subflow(path)
    else:
        warnings = list(load(path, environment={}.get).warnings)
    assert [each for each in warnings if "nothing uses" not in each.message] == []


def test_what_validates_is_used(tmp_path: Path) -> None:
    (tmp_path / "flow.yaml").write_text(
        "version: 1\nvalidate: {text: tidy}\noperations:\n"
        "  tidy: {run: expression, inputs: {x: message.text}, config: {text: '{{ x | trim }}'}}\n"
        "  say: {reply: '{{ message.text }}'}\n"
    )
    assert load(tmp_path / "flow.yaml", environment={}.get).warnings == ()
