"""Where inputs come from: good ones for each target, and what hypothesis makes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from chatbot.messages import (
    Call,
    ChatMessage,
    DeadLetter,
    FlowRecord,
    NodeRecord,
    OperationRecord,
    OperationStats,
    Outcome,
    Part,
    Partial,
    PrimaryRecord,
    Raised,
    Record,
    Reply,
    Result,
    Results,
    Work,
)
from chatbot.typed import write_typed
from tests.fuzz.files import FLOW, INNER, OWN, RICH, TOML
from tests.fuzz.wire import Colour, Person, Point

CORPUS = Path(__file__).parent / "corpus"
FLOWS = Path(__file__).parents[2] / "flows"

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_MESSAGE = ChatMessage("id", "net", "#room", "anna", "hi bot", _NOW, True, False, "bot")
_OPERATION = OperationRecord(
    "a" * 20, "answer", "it", {"answers": {"hi": "yo"}}, {"examples": ("e.yaml", "a" * 40)}
)
_RECORDS: tuple[Record, ...] = (
    _MESSAGE,
    Outcome("id", "net", "#room", "anna", (Reply("hi", True),), {"label": "x", "score": 0.5}),
    Work("a1b2", [Call(1, 2, {"text": "hi", "v": Ext(1, b"\x01")})], True),
    Results("node", "key", 0.1, [Result(1, 2, [{"a": 1}])], False, [Part(1, 2, 0, [{}], True)]),
    DeadLetter("flow", _MESSAGE, "reason", "trace", _NOW),
    _OPERATION,
    Partial("it", {"text": "hi"}),
    FlowRecord("flow", "revision", [_OPERATION], primary="p", version="1"),
    NodeRecord("n", "h", 1, "1", _NOW, ["answer"], {"k": OperationStats("a", "f")}, labels=["gpu"]),
    PrimaryRecord("p", "f", "h", 1, "1", _NOW, listeners=["irc"]),
)
_VALUES: tuple[Any, ...] = (
    Person("anna", Point(1, 2), Colour.RED),
    [(1, "a"), {1, 2}, frozenset({"x"}), {1: 2, (3, 4): [5]}],
    [2**70, -(2**70), Decimal("1.5"), UUID(int=5), 1j, bytearray(b"x"), "\ud800"],
    [_NOW, _NOW.replace(tzinfo=None), _NOW.date(), _NOW.timetz(), timedelta(1, 2, 3)],
    [_NOW.astimezone(timezone(timedelta(hours=5))), {"a": float("nan")}, float("inf")],
)
_encode = msgspec.msgpack.encode
_TYPED = [_encode(write_typed(value)) for value in _VALUES]
_REFERENCE = Ext(2, b"a1.2." + b"f" * 40)

_LINES = b"""\
:s CAP * LS :batch server-time message-tags
:s 001 bot :welcome
:s 005 bot PREFIX=(ov)@+ CHANTYPES=#& CASEMAPPING=ascii TARGMAX=JOIN: :are supported
:bot!u@h JOIN #chan
@time=2026-01-02T03:04:05Z;msgid=a;batch=1 :x!y@z PRIVMSG #chan :bot: hi \x02there\x0f
:s BATCH +1 chathistory #chan
:x!y@z PRIVMSG bot :\x01ACTION waves\x01
@account=ann;+draft/reply=a;+draft/react=y :x!y@z TAGMSG #chan
:x!y@z JOIN #chan ann :X
:x!y@z ACCOUNT *
:x!y@z CHGHOST y z2
:x!y@z NICK w
:x!y@z INVITE bot #other
:s 354 bot 417 #chan u h nick ann
:s 302 bot :x=+y@z
:s 900 bot bot!u@h ann :logged in
AUTHENTICATE +
:x!y@z KICK #chan bot :out
:s 433 * bot :in use
:s 474 bot #chan :banned
:x!y@z NICK bot
PING :a b
:x!y@z INVITE bot #chan
:s 404 bot #chan :no
ERROR :Closing Link
"""
_EVENT = b"""\
{"type": "m.room.message", "event_id": "$a", "sender": "@ann:example.org",
 "origin_server_ts": 1767323045000, "content": {"msgtype": "m.text",
 "body": "> <@bot:example.org> hi\\n\\nbot: there", "formatted_body":
 "<a href=\\"https://matrix.to/#/@bot:example.org\\">bot</a>", "m.mentions": {"user_ids":
 ["@bot:example.org"]}, "m.relates_to": {"rel_type": "m.thread", "event_id": "$r",
 "is_falling_back": false, "m.in_reply_to": {"event_id": "$q"}}}}"""
_REACTION = b"""\
{"type": "m.reaction", "event_id": "$b", "sender": "@ann:example.org", "content":
 {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$a", "key": "+1"}}}"""
_REDACTION = b"""\
{"type": "m.room.redaction", "event_id": "$c", "sender": "@ann:example.org", "redacts": "$b",
 "content": {"redacts": "$b"}}"""
_LOCKED = b"""\
{"type": "m.room.encrypted", "event_id": "$d", "sender": "@ann:example.org", "content":
 {"algorithm": "m.megolm.v1.aes-sha2"}}"""
_MEMBER = b"""\
{"type": "m.room.member", "event_id": "$e", "sender": "@ann:example.org", "state_key":
 "@bot:example.org", "content": {"membership": "join", "displayname": "Ann\\u202e"},
 "unsigned": {"prev_content": {"membership": "invite"}}}"""
_PROJECT = b"""\
{"type": "im.gitter.project_association", "event_id": "$f", "sender": "@ann:example.org",
 "state_key": "", "content": {"linkPath": "org/repo"}}"""
_EVENTS = (_EVENT, _REACTION, _REDACTION, _LOCKED, _MEMBER, _PROJECT)
_SYNC = b"""\
{"next_batch": "s1", "account_data": {"events": [{"type": "m.direct", "content":
 {"@ann:example.org": ["!r"]}}]}, "rooms": {"join": {"!r": {"summary":
 {"m.joined_member_count": 2}, "state": {"events": [%s]}, "timeline": {"limited": true,
 "prev_batch": "t1", "events": [%s]}}}, "invite": {"!i": {"invite_state": {"events":
 [{"type": "m.room.member", "sender": "@ann:example.org", "state_key": "@bot:example.org",
 "content": {"membership": "invite"}}]}}}, "leave": {"!l": {}}}}""" % (
    _MEMBER,
    b", ".join(_EVENTS),
)
_LOG = b"""\
[12:34] <anna> bot: hi
[12:35]  * anna waves
2016-11-20 23:59:59 <@bob> late
#room 2016-11-20 [00:01:02] <bob> early
"""
_JSON_LOG = (
    b'{"sender": "a", "text": "hi", "time": "2026-01-02T03:04:05+02:00", "id": 5}\n'
    b'{"sender": "a", "text": "bot: hi", "room": "#r", "addressed": true, "private": false}\n'
)
_OVERRIDES = b"""\
name=other
operations.inner.operations.clean_text.retry=3
operations.answer.config={answers: {hi: "yo {sender}"}}
listeners.irc.nick=${SECRET:-bot}
listeners.irc.channels=["#a"]
"""

_SAID = b"""\
{"id": "5f000000aaaaaaaaaa000001", "text": "hi @bot", "sent": "2026-01-02T03:04:05.678Z",
 "fromUser": {"id": "5f000000aaaaaaaaaa000002", "username": "ann", "displayName": "Ann"},
 "mentions": [{"screenName": "bot", "userId": "5f000000aaaaaaaaaa000003"}], "status": true,
 "parentId": "5f000000aaaaaaaaaa000004", "editedAt": null}"""
SEEDS: dict[str, list[bytes]] = {
    "gitter_answer": [
        b"[" + _SAID + b", " + _SAID + b"]",
        b'[{"id": "a", "username": "ann", "displayName": "Ann"}]',
        b'{"id": "a", "oneToOne": true, "user": {"id": "b", "username": "ann"}}',
        b'{"id": "a", "uri": "org/room", "githubType": "REPO"}',
        b'{"rooms": {"a": ["5f000000aaaaaaaaaa000001"]}, "looked": 5}',
    ],
    "gitter_stream": [
        _SAID + b"\r\n \n" + _SAID + b"\r",
        b'{"operation": "remove", "model": {"id": "a"}}\r',
    ],
    "gitter_text": ["- one *two*\n\nhttps://x.org/a_b \U0001f468\u200d\U0001f469 x".encode() * 3],
    "json_line": [b'{"text": "hi", "id": "1", "time": "2026-01-02T03:04:05Z", "private": null}'],
    "irc_lines": [_LINES, *_LINES.splitlines(keepends=True)],
    "irc_text": ["one two\nthree a\u0301\u0302 \U0001f468\u200d\U0001f469 x".encode() * 3],
    "matrix_event": [
        *_EVENTS,
        b'{"retry_after_ms": 5, "errcode": "M_LIMIT_EXCEEDED", "error": "x"}',
        b'{"m.homeserver": {"base_url": "https://matrix.example.org"}}',
        b'{"room": "!r", "user": "@ann:example.org", "until": 5.5, "level": "50"}',
    ],
    "matrix_sync": [_SYNC],
    "matrix_text": ["one two\n\nthree a\u0301 \U0001f468\u200d\U0001f469 x".encode() * 3],
    **{f"wire_{type(each).__name__}": [each.encode()] for each in _RECORDS},
    "wire_Raised": [_encode(Raised(kind, "text")) for kind in ("ValueError", "Own", "OSError")],
    "wire_headers": [
        b"NATS/1.0\r\nFoo: bar\r\n\r\n",
        b"NATS/1.0 503\r\n\r\n",
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\n\r\n",
    ],
    "wire_parts": [_encode([Part(1, 2, 3, [{}] * 2), Part(1, 2, 0, [{}] * 4, True)])],
    "wire_typed": _TYPED,
    "wire_values": [
        *(_encode({"v": Ext(1, content), "w": 1}) for content in _TYPED),
        _encode({"v": _REFERENCE}),
    ],
    "flow_file": [FLOW, RICH, OWN, (FLOWS / "support.yaml").read_bytes()],
    "toml_file": [TOML],
    "subflow_file": [INNER, (FLOWS / "understand.yaml").read_bytes()],
    "overrides": [_OVERRIDES, *_OVERRIDES.splitlines()],
    "examples_file": [b"greeting: [hi, hello]\nbye:\n  - &a bye\n  - *a\n  - 'so long'\n"],
    "chat_log": [_LOG, _JSON_LOG],
    "server_announcement": [b'{"url": "nats://t@127.0.0.1:4222", "starter": 1}'],
    "server_token": [b"x" * 43],
    "nats_address": [
        b"nats://t@h:4222,nats://u:p@[::1]",
        b"tls://t%40k@h?pin=ab",
        b"tls://tokentoken@h:1",
    ],
    "listen_address": [b"192.0.2.7:4222", b"[::1]:4222", b"host.example", b"::"],
    "labels": [b"gpu\nsize=large\nhost=db1", b"primary", b"nodes"],
    "lease": [b"host (process 12)\n0123456789abcdef"],
    "chat_text": [
        b"bot: see https://x.org/a_(b), `code` and\n> a quote\n```py\nfence\n```",
        "a\u0301\u0302\u0303\x0304,05red\x0f \u202etrojan www.x.org {sender} {{x}}".encode(),
    ],
}
"""Good inputs of each target, to begin with."""

TOKENS = [
    *(b"\x00", b"\xff", b"\r\n", b"\n", b"\t", b" ", b":", b"@", b"\x01", b"\x02", b"\x03"),
    *(b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc3", b"\xe2\x80\xae", b"{", b"}", b"[", b"]", b"${"),
    *(b"*a", b"&a ", b"<<: ", b"- ", b"? ", b"!!python/object:os.system ", b"!!binary ", b"!!set "),
    *(b"|\n", b">-\n", b"%YAML 1.1\n---\n", b"...", b"---\n", b'"', b"'", b"\\", b"\\ud800"),
    *(b".nan", b".inf", b"-0", b"1e999", b"9" * 400, b"0x" + b"f" * 40, b"1:2:3", b"~", b"null"),
    *(b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xc1"),
    *(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\x00" * 7),
    *(b"\x91" * 200, b"\x81\xa1a" * 100, b"[" * 300, b"(" * 50, b"a" * 600, b"#" * 30, b"%s" * 9),
    *(b"0001-01-01T00:00:00+23:59", b"9999-12-31", b"9999-12-31T23:59:59-23:59", b"[23:59] "),
]
"""What decoders choke on."""


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for inputs of the target `name`: good ones, changed, and any bytes."""
    seeds = SEEDS[name]
    changed = st.builds(_changed, st.sampled_from(seeds), st.lists(_CHANGES, max_size=6))
    return st.one_of(changed, *_odd_records(name, seeds), st.binary(max_size=64))


_TEXT = st.one_of(st.text(max_size=8), st.sampled_from(["\r\n", "a.b", "*", ">", "../x", ""]))
_ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    _TEXT,
    st.binary(max_size=8),
    st.builds(Ext, st.integers(-128, 127), st.binary(max_size=12)),
    st.builds(Ext, st.sampled_from([1, 2, *range(10, 16), *range(20, 26)]), st.binary(max_size=12)),
)
_ANY = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=6,
)
_CHANGES = st.tuples(
    st.sampled_from(["put", "cut", "twice", "set", "end"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.one_of(st.sampled_from(TOKENS), st.binary(min_size=1, max_size=4)),
)
_Change = tuple[str, float, float, bytes]


def _changed(seed: bytes, changes: list[_Change]) -> bytes:
    data = seed
    for what, first, second, token in changes:
        start = int(first * len(data))
        end = start + int(second * min(40, len(data) - start))
        middle = {
            "put": token + data[start:end],
            "cut": b"",
            "twice": data[start:end] * 3,
            "set": token,
            "end": data[start:end],
        }[what]
        data = data[:start] + middle + (b"" if what == "end" else data[end:])
    return data


def _odd_records(name: str, seeds: list[bytes]) -> list[st.SearchStrategy[bytes]]:
    """Return strategies for records with other types and values in their fields."""
    if not name.startswith("wire_") or name in {"wire_typed", "wire_headers"}:
        return []
    decoded = [msgspec.msgpack.decode(seed) for seed in seeds]
    place: Callable[..., bytes] = _with_another
    return [st.builds(place, st.sampled_from(decoded), st.lists(st.integers(0, 12)), _ANY)]


def _with_another(record: Any, path: list[int], value: Any) -> bytes:
    return _encode(_replaced(record, path, value))


def _replaced(node: Any, path: list[int], value: Any) -> Any:
    keys = (
        list(node)
        if isinstance(node, dict)
        else list(range(len(node)))
        if isinstance(node, list)
        else []
    )
    if not path or not keys:
        return value
    key = keys[path[0] % len(keys)]
    changed = dict(node) if isinstance(node, dict) else list(node)
    changed[key] = _replaced(node[key], path[1:], value)
    return changed
