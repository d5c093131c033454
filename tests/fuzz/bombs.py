"""Inputs that are small to send and large, deep or slow to read; too long for files."""

from __future__ import annotations

import msgspec
from msgspec.msgpack import Ext

_encode = msgspec.msgpack.encode
_PRIME = 2**61 - 1
"""Python hashes numbers modulo this: all its multiples are equal in that."""


def _whole(number: int) -> Ext:
    return Ext(20, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


_COLLIDING = [_whole(_PRIME * (2**64 + number)) for number in range(12_000)]
_KEYS = b"a: &a {" + b",".join(b"k%d: 1" % n for n in range(1000)) + b"}\n"

BOMBS: dict[str, dict[str, bytes]] = {
    "entities": {
        "words": b"a1. " * 500_000,
        "one word": b"x=/" * 500_000,
        "commands": b"apt install " * 100_000,
        "links": b"https://x.org/a/b/issues/1)](" * 50_000,
        "requirement": b"a" * 400 + b"[" + b"a," * 200,
    },
    "quoted": {"marks": b"\x03" * 1_000_000, "words": b"how " * 300_000},
    "faq_file": {
        "headings": b"# a\n" * 20_000,
        "deep": b"> " * 20_000 + b"# a\n",
        "links": b"# a\n" + b"[a](" * 20_000,
        "also": b"# a\n<!-- also:" + b"-" * 200_000,
    },
    "gitter_answer": {
        "deep": b"[" * 500_000,
        "long name": b'[{"id": "a", "username": "' + b"\xe2\x80\xae" * 300_000 + b'"}]',
        "many": b"[" + b'{"id": "a"}, ' * 100_000 + b"{}]",
        "digits": b'{"rooms": {}, "looked": ' + b"9" * 100_000 + b"}",
        "large": b'{"rooms": {}, "looked": 1' + b"0" * 400 + b"}",
        "looked": b'{"rooms": {}, "looked": 1e999}',
    },
    "gitter_stream": {
        "no end": b'{"a": "' + b'\\"' * 1_000_000,
        "braces": b"{" * 1_000_000,
        "quotes": b'{"' * 500_000,
        "returns": b"{\r" * 500_000,
        "many": b"{}" * 300_000,
    },
    "gitter_text": {
        "one word": b"x" * 1_000_000,
        "blanks": b" " * 1_000_000 + b"x",
        "one grapheme": b"e" + b"\xcc\x81" * 200_000,
        "signs": b"*" * 500_000,
        "address": b"https://" * 100_000,
        "digits": b"1" * 500_000,
    },
    "json_line": {"deep": b'{"a":' * 200_000, "long": b'{"text": "' + b"x" * 2_000_000 + b'"}'},
    "irc_lines": {
        "joins": b"".join(b":bot!u@h JOIN #c%d\r\n" % n for n in range(6000)),
        "pings": b"PING :aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 30_000,
        "batches": b"".join(b":s BATCH +%d chathistory #c\r\n" % n for n in range(6000)),
        "features": b"".join(b":s 005 bot A%d=1 B%d=2 :are\r\n" % (n, n) for n in range(4000)),
        "no end": b"a" * 1_000_000,
    },
    "irc_text": {
        "marks": "\u0301".encode() * 100_000,
        "joined": "\U0001f468\u200d".encode() * 30_000,
    },
    "wire_typed": {
        "colliding keys": _encode(Ext(13, _encode([x for key in _COLLIDING for x in (key, 1)]))),
        "colliding set": _encode(Ext(11, _encode(_COLLIDING))),
        "decimal": _encode(Ext(11, _encode([Ext(24, b"1e99999999%d" % n) for n in range(99)]))),
        "number": _encode(Ext(20, b"\x7f" * 400_000)),
    },
    "flow_file": {
        "merges": _KEYS + b"b: {<<: [" + b",".join([b"*a"] * 2000) + b"]}\n",
        "same key": b"a: 1\n" * 2000,
        "unknown names": b"version: 1\noperations:\n"
        + b"".join(b"  a%d: {run: answer, inputs: {label: b%d.x}}\n" % (n, n) for n in range(400)),
        "references": b"version: 1\nlisteners:\n  irc: {server: '"
        + b"${a:-" * 20_000
        + b"'}\noperations: {clean_text: {inputs: {text: message.text}}}\n",
    },
    "chat_log": {
        "blanks": b"[12:00] <" + b" " * (1 << 20),
        "brackets": b"[12:00] * " + b"(" * (1 << 20),
    },
    "nats_address": {"commas": b"," * 30_000 + b"@"},
    "chat_text": {
        "links": b"http://" * 30_000,
        "brackets": b"[a](" * 30_000,
        "names": b"@bot" * 30_000,
        "marks": b"a" + "\u0301".encode() * 100_000,
        "braces": b"{a" * 100_000,
    },
}
