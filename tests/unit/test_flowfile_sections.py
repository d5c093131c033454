"""What is wrong with replies, state, schedules and the like is told at its place, with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]

TOP = "version: 1\noperations:\n"
NETS = "version: 1\nlisteners: {net: {kind: sample_chat, server: x}}\n"
INNER = "version: 1\ninputs: {text: string, more: string}\noperations:\n"
DUE = NETS + "schedules: {a: {in: net/room, "
SAY = "\noperations: {b: {reply: hi}}"
KEEP = "version: 1\nstate: {a: "
SET = "\noperations: {b: {set: {a: {add: 1}}}}"

# What stands before `^` in the text is where the problem must be; then a part of what is said,
# and of the hint.
WRONG = [
    # replies and templates
    (TOP + "  a: {reply: ^5}", "`reply` must be a text", ""),
    (TOP + "  a: {reply: ^''}", "`reply` must be a text, not an empty one", ""),
    (TOP + "  a: {run: sample_plain, ^reply: hi}", "does not go with `run`", "entry of its"),
    (TOP + "  a: {reply: ^{notice: true}}", "a reply needs a `text`", ""),
    (TOP + "  a: {reply: {text: hi, ^notce: true}}", "`reply` has no key `notce`", "notice?"),
    (TOP + "  a: {reply: {text: hi, notice: ^maybe}}", "must be true or false", ""),
    (TOP + "  a: {reply: {^texts: {x: y}}}", "`texts` need a `by`", "by: "),
    (TOP + "  a: {reply: {by: ^message.txt, texts: {x: y}}}", "no field `txt`", "text?"),
    (TOP + "  a: {reply: {by: message.text, texts: {x: '{{ ^message.nme }}'}}}", "no field `nme`",
     "name?"),
    (TOP + "  a: {reply: 'Hello {{ ^message.nam }}!'}", "a message has no field `nam`", "name?"),
    (TOP + "  a:\n    reply: |\n      Hello\n      {{ ^message.nam }}!", "no field `nam`", "name?"),
    (TOP + "  a: {reply: 'Hello {{ ^b.text }}!'}", "there is no `b` in this flow", ""),
    (TOP + "  a: {reply: '{{ ^nick }}'}", "`nick` is nothing here", "did you mean message.nick?"),
    (TOP + "  a: {reply: '{{ message.name | ^uper }}'}", "there is no filter `uper`", "upper?"),
    (TOP + "  a: {reply: '^{{ message.name'}", "this is no template", ""),
    (TOP + "  a: {reply: ^'{% include \"x\" %}'}", "`include` is not for templates", "if, for"),
    (TOP + "  a:\n    reply: |\n      x\n^      {% block y %}{% endblock %}", "`block` is not", ""),
    (TOP + "  a: {reply: '{{ message.name^.upper() }}'}", "nothing but range", "write `| upper`"),
    (TOP + "  a: {reply: '{{ message.^__class__ }}'}", "cannot be had", ""),
    (TOP + "  a: {reply: '{{ message.sender.^name }}'}", "`message.sender` has no `name`",
     "did you mean message.name?"),
    (TOP + "  a: {reply: '{{ message.text.^lower }}'}", "has no `lower`", "write `| lower`"),
    (TOP + "  a: {reply: '{{ message.time.^hour }}'}", "has no `hour`", "leave out .hour"),
    (TOP + "  a: {reply: hi, when: '{{ ^message.txt }}'}", "no field `txt`", "text?"),
    (TOP + "  a: {reply: hi, when: ['{{ ^b.c }}']}", "there is no `b`", ""),
    (TOP + "  a: {run: sample_plain, inputs: {text: '{{ ^message.txt }}'}}", "no field `txt`", ""),
    (TOP + "  a: {reply: hi}\noutputs: {x: '{{ ^a.txt }}'}", "`a` has no output `txt`", "reply"),
    (INNER + "  a: {reply: '{{ ^txt }}'}\noutputs: {r: a.reply}", "no input `txt`", "text"),
    # state
    (KEEP + "{^pr: room}}" + SET, "`a` has no key `pr`", "per?"),
    (KEEP + "{per: ^rom}}" + SET, "`per` must be one of", "room?"),
    (KEEP + "{type: ^text}}" + SET, "`type` must be one of", ""),
    (KEEP + "{type: integer, start: ^many}}" + SET, "must be of type integer, not a text", ""),
    (KEEP + "{keep: ^7}}" + SET, "`keep`", "7d"),
    (KEEP + "{keep: ^200d}}" + SET, "`keep` must be from 1s to 90d", ""),
    ("version: 1\nstate: ^[a]" + SET, "`state` must be a map", ""),
    ("version: 1\nstate: {^a b: {}}" + SAY, "`a b` cannot be a name", ""),
    (TOP + "  b: {set: {^a: {add: 1}}}", "this flow declares no state `a`", "state: {a: {}}"),
    (TOP + "  b: {reply: '{{ ^state.a }}'}", "this flow declares no state `a`", ""),
    (KEEP + "{}}\noperations: {b: {set: ^{}}}", "nothing is set", "add: 1"),
    (KEEP + "{}}\noperations: {b: {set: {^a: {}}}}", "must be changed in one way", "value, add"),
    (KEEP + "{}}\noperations: {b: {set: {^a: {add: 1, value: 2}}}}", "in one way", ""),
    (KEEP + "{}}\noperations: {b: {set: {a: ^message.txt}}}", "no field `txt`", "text?"),
    (KEEP + "{}}\noperations: {b: {set: {a: {append: ^5}}}}", "a source must be a name", ""),
    (KEEP + "{}}\noperations: {b: {set: {a: {append: message.text, most: ^0}}}}", "`most`", ""),
    (INNER + "  a: {^set: {x: {add: 1}}}\noutputs: {r: a.change}", "a subflow has no state", ""),
    (INNER + "  a: {run: sample_plain, inputs: {text: ^state.x}}\noutputs: {r: a.result}",
     "a subflow does not see the state", "as inputs"),
    # schedules
    (DUE + "every: ^day at 25:00}}" + SAY, "a time that no clock shows", ""),
    (DUE + "every: ^7m}}" + SAY, "does not divide the hour", "5m"),
    (DUE + "every: ^sometimes}}" + SAY, "no time that comes again", "day at 18:00"),
    (DUE + "cron: ^'* * *'}}" + SAY, "cron's five fields", "0 18"),
    (DUE + "cron: ^'0 0 31 2 *'}}" + SAY, "Bad day-of-month", "0 18"),
    (DUE + "every: hour, zone: ^Europe/Atlantis}}" + SAY, "there is no time zone", "Berlin"),
    (DUE + "every: hour, catch up: ^all}}" + SAY, "`catch up` must be latest or none", ""),
    (DUE + "every: hour, ^zon: UTC}}" + SAY, "`a` has no key `zon`", "zone?"),
    (NETS + "schedules: {^a: {in: net/room}}" + SAY, "must have `every` or `cron`", "every:"),
    (NETS + "schedules: {^a: {every: hour}}" + SAY, "needs the rooms", "in: ["),
    (NETS + "schedules: {a: {every: hour, in: ^room}}" + SAY, "`in` takes rooms", "network/room"),
    (NETS + "schedules: {a: {every: hour, in: ^nett/room}}" + SAY, "no listener `nett`", "net?"),
    (TOP + "  a: {reply: '{{ ^schedule.x.date }}'}", "this flow has no schedule `x`", ""),
    # sources, seeds, locks, and what is validated
    (TOP + "  a: {run: sample_plain, inputs: {text: {from: ^b.c}}}", "there is no `b`", ""),
    (TOP + "  a: {run: sample_plain, inputs: {text: {from: message.text, ^wia: x}}}",
     "a source has no key `wia`", "via?"),
    (TOP + "  a: {run: sample_plain, inputs: {text: {from: message.text, via: ^b.c}}}",
     "there is no `b`", ""),
    (TOP + "  a: {run: sample_plain, inputs: {text: {from: message.text, default: ^[]}}}",
     "a default cannot be a list", ""),
    (TOP + "  a: {run: sample_plain, expand: ^result, inputs: {text: message.text}}",
     "`expand` must be a list", "[a, b]"),
    (TOP + "  a: {run: sample_plain, lock: [^rsult], inputs: {text: message.text}}",
     "`a` has no output `rsult`", "result?"),
    (TOP + "  a: {run: sample_plain, stage: ^cleanp, inputs: {text: message.text}}",
     "`stage` must be processing or cleanup", "cleanup?"),
    ("version: 1\nseeds: {x: {value: 1, ^typ: any}}" + SAY, "`x` has no key `typ`", "type?"),
    ("version: 1\nseeds: {x: {value: 1, lock: ^yes}}" + SAY, "`lock` must be true or false", ""),
    (TOP + "  a: {run: sample_plain, inputs: {text: ^seeds.x}}", "this file has no seed `x`", ""),
    ("version: 1\nvalidate: {txt: ^a}\noperations: {a: {run: sample_plain}}", "no field `txt`",
     "text?"),
    ("version: 1\nvalidate: {text: ^b}\noperations: {a: {run: sample_plain, inputs: {text: "
     "message.text}}}", "there is no operation `b`", "a"),
    ("version: 1\nvalidate: {text: ^a}\noperations: {a: {run: sample_join, inputs: {left: "
     "message.text}}}", "cannot validate: it must have one input", ""),
    (TOP + "  a: {flow: inner.yaml, inputs: {text: message.text, more: message.text}, "
     "forward: {mor: ^message.name}}", "`a` has no input `mor`", "more?"),
    (TOP + "  a: {flow: inner.yaml, inputs: {text: message.text}, forward: {more: ^b.c}}",
     "only what comes from outside", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_what_is_wrong_is_told_at_its_place(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    before = text[: text.index("^")]
    inner = INNER + (
        "  x: {run: sample_join, inputs: {left: text, right: more}}\noutputs: {x: x.text}\n"
    )
    path = write(tmp_path, flow=text.replace("^", "", 1), inner=inner)
    if text.startswith(INNER):
        path = tmp_path / "user.yaml"
        path.write_text(
            "version: 1\noperations: {u: {flow: flow.yaml, inputs: {text: message.text, "
            "more: message.text}}}\n"
        )
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems_of(path)
    there = [p for p in found if message in p.message and (p.line, p.column) == place]
    assert there, found
    assert hint in there[0].hint, found


def test_what_differs_is_another_revision(tmp_path: Path) -> None:
    texts = [
        TOP + "  a: {reply: hi}",
        TOP + "  a: {reply: ho}",
        TOP + "  a: {reply: hi, when: '{{ message.private }}'}",
        TOP + "  a: {reply: {text: hi, notice: true}}",
        "version: 1\nseeds: {x: 1}" + SAY,
        KEEP + "{}}" + SET,
        KEEP + "{per: flow}}" + SET,
    ]
    revisions = [load(write(tmp_path, flow=text)).revision for text in texts]
    assert len(set(revisions)) == len(texts)
