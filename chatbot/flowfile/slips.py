"""What people write in a flow file instead of what it takes, and what they mean by it; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from chatbot.flowfile.problems import nearest
from chatbot.messages import ChatMessage

_MEANT = {
    **dict.fromkeys(("if", "condition", "conditions", "only_if", "depends", "needs"), "when"),
    **dict.fromkeys(("operation", "op", "type", "use", "uses", "call"), "run"),
    **dict.fromkeys(("args", "arguments", "parameters", "params", "with", "in"), "inputs"),
    **dict.fromkeys(("settings", "options", "configuration", "conf"), "config"),
    **dict.fromkeys(("node", "nodes", "place", "placement", "where"), "on"),
    **dict.fromkeys(("include", "subflow", "file"), "flow"),
    **dict.fromkeys(("steps", "tasks", "pipeline"), "operations"),
    **dict.fromkeys(("networks", "channels", "triggers"), "listeners"),
    **dict.fromkeys(("ssl", "use_ssl", "secure"), "tls"),
    **dict.fromkeys(("host", "hostname", "address"), "server"),
    **dict.fromkeys(("say", "answer", "response", "message", "respond"), "reply"),
    **dict.fromkeys(("cron_schedules", "timers", "jobs"), "schedules"),
    **dict.fromkeys(("variables", "memory"), "state"),
    **dict.fromkeys(("from", "sender", "author", "user"), "by"),
    **dict.fromkeys(("results", "shows", "show", "out"), "outputs"),
}
"""Words that others have for our keys; each counts where that key may be, and is not."""

_ADVICE = {
    **dict.fromkeys(
        ("description", "comment", "comments", "author", "doc", "title", "notes"),
        "say it in a comment, which begins with #",
    ),
    **dict.fromkeys(
        ("depends_on", "after", "before", "then", "next"),
        "what runs when follows from `inputs` and `when`: name the other's outputs there",
    ),
    "priority": "a listener has a `priority`: interactive or bulk",
    **dict.fromkeys(("else", "otherwise"), "write another entry, with the opposite `when`"),
    **dict.fromkeys(("env", "environment"), "write ${NAME} in a listener's setting"),
}
"""What to do instead, where a key is none of ours, and no other word for one."""

_TYPES_MEANT = {"str": "string", "text": "string", "int": "integer", "float": "number"} | {
    "bool": "boolean",
    "array": "list",
    "dict": "map",
    "object": "map",
    "generic": "any",
}

CURLY = "“”‘’"
"""Quotes of word processors, which YAML takes for letters."""

_SOURCE = re.compile(r"[\w-]+\.\w+")
_ODD = re.compile(r"[\s$%{}“”‘’\"']")
_BRACES = re.compile(r"[$%{}“”‘’\"'<>]+")
_GLUED = re.compile(r"(\w+)(\s*[:=]\s*|\s+)(\S.*)")
_COMPARISON = re.compile(r"[=<>!]|\b(and|or|not|is|in)\b")


def meant(name: str, names: Collection[str]) -> str:
    """Return the key, one of `names`, that was meant by `name`; "" where that is unclear."""
    found = _MEANT.get(name.lower(), "")
    if found == "inputs" and "listeners" in (known := tuple(names)):
        found = "parameters" if "parameters" in known else found  # in a whole file
    return found if found in names else nearest(name, names)


def is_word_for(name: str, names: Collection[str]) -> bool:
    """Whether others have the word `name` for one of `names`."""
    return _MEANT.get(name.lower(), "") in names


def advice(name: str) -> str:
    """Return where to say what nothing here is called like; "" where that is unknown."""
    return _ADVICE.get(name.lower(), "")


def meant_type(name: str, types: Iterable[str]) -> str:
    """Return the one of `types` that was meant by `name`; "" where that is unclear."""
    return _TYPES_MEANT.get(name.lower()) or nearest(name, types)


def unglued(text: str, names: Iterable[str]) -> tuple[str, str] | None:
    """Return key and value of `reply:hi`, `reply hi` or `reply = hi`; `None` if it is no such."""
    found = _GLUED.fullmatch(text)
    return (found[1], found[3]) if found is not None and found[1] in names else None


def parted(key: str, value: str) -> str:
    """Return how a key and its value are written."""
    return f"write `{key}: {value[:40]}`, with a colon and a space"


def in_braces(value: object) -> str:
    """Return the source of a map that is `{message.text}`; "" for another value."""
    if not isinstance(value, dict) or len(value) != 1:
        return ""
    [(key, node)] = value.items()
    return str(key) if _SOURCE.fullmatch(key) and node.value is None else ""


def is_odd(text: str) -> bool:
    """Whether `text`, though it has a dot in it, can be no source."""
    return _ODD.search(text) is not None


def source_hint(text: str, instances: Collection[str], subflow: bool) -> str:
    """Return how the source that `text` is not may have been meant."""
    bare = _BRACES.sub("", text).strip()
    if text[:1] in CURLY and "{{" in text:
        return f'write it in straight quotes: "{text.strip(CURLY)}"'
    if bare != text and _SOURCE.fullmatch(bare):
        return f"write {bare}, without braces or quotes"
    if text in instances:
        return f"write which of its outputs: {text}.<output>"
    if not subflow and text in ChatMessage.__struct_fields__:
        return f"did you mean message.{text}?"
    if _COMPARISON.search(text):
        quoted = text.replace('"', "'")
        return f'what is worked out is written "{{{{ {quoted} }}}}"'
    return "write message.<field> or <operation>.<output>; {value: ...} for a given one"
