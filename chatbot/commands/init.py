"""`chatbot init`: a bot to go on with, from four answers.

The rule that it guards: what is written is right as it is, and passes its own tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatbot.commands import template
from chatbot.errors import UsageError
from chatbot.flowfile.problems import suggest

CONSOLE = "console"
OFF = '  irc: {{server: "", channels: ["#example"], nick: {}}}    # off until named'
"""A network that has rooms, which a schedule needs, as a terminal has none."""
ONLY = {"everybody": "everybody", "addressed": "who speaks to it"}

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SERVER = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")
_CHANNEL = re.compile(r"[#&][^\s,\"'\\]{1,63}")
_ID = re.compile(r"@[^\s:\"'\\]+:[^\s\"'\\]+")
_ROOM = re.compile(r"[#!][^\s:\"'\\]+:[^\s\"'\\]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A bot to begin with: a folder in `chatbot/templates`, and what it is, in a line."""

    name: str
    about: str
    called: str
    """What such a bot is called where nobody says."""


TEMPLATES = (
    Template("support", "answers from a FAQ, from earlier answers, and what is common", "support"),
    Template("faq", "answers the questions of a page, however they are put", "faq"),
    Template(
        "duplicates", "answers the questions of a page, links those answered before", "duplicates"
    ),
    Template("moderation", "warns of rudeness and spam, then acts; tells moderators", "moderation"),
    Template("digest", "collects what belongs into the release notes, tells it weekly", "notes"),
    Template("tutorial", "a calculator: a first DFFML dataflow, with operations to write", "calc"),
)
"""Another one is a line here, and a folder of files (see `chatbot.commands.template`)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the four questions were answered with; all are checked."""

    template: Template
    name: str
    listen: str = CONSOLE
    only: str = "everybody"


def template_called(name: str) -> Template:
    """Return the template of that name, or the only one that begins so; raises `UsageError`."""
    beginning = [each for each in TEMPLATES if name and each.name.startswith(name)]
    exact = [each for each in beginning if each.name == name]
    for found in (exact, beginning):
        if len(found) == 1:
            return found[0]
    hint = suggest(name, [each.name for each in TEMPLATES], what="there are")
    raise UsageError(f"there is no template `{name}`", hint=hint)


def checked_name(name: str) -> str:
    """Return a name for a bot; raises `UsageError`."""
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_0123456789")[:32]
        such = f", such as {near}" if _NAME.fullmatch(near) else ""
        hint = f"small letters, digits, - and _, beginning with a letter; at most 32{such}"
        raise UsageError(f"`{name}` cannot name a bot", hint=hint)
    return name


def checked_place(listen: str) -> str:
    """Return where to listen: `console`, an IRC server and channels, or a Matrix id and rooms."""
    place, *rooms = listen.split() or [""]
    if place == CONSOLE and not rooms:
        return CONSOLE
    if place.startswith("@"):
        right = _ID.fullmatch(place) and rooms and all(map(_ROOM.fullmatch, rooms))
        hint = "write '@me:matrix.org #room:matrix.org'"
    else:
        is_server = _SERVER.fullmatch(place) and "." in place
        right = is_server and rooms and all(map(_CHANNEL.fullmatch, rooms))
        hint = "write 'irc.libera.chat #example', '@me:matrix.org #room:matrix.org', or console"
    if not right:
        raise UsageError(f"`{listen}` is no place to listen", hint=hint)
    return " ".join([place, *rooms])


def checked_only(only: str) -> str:
    """Return whom to answer; raises `UsageError`."""
    if only not in ONLY:
        hint = suggest(only, ONLY, what="there are")
        raise UsageError(f"`{only}` is nobody that a bot may answer", hint=hint)
    return only


def init(folder: Path, answers: Answers, *, force: bool = False) -> list[Path]:
    """Write the bot into `folder`; raises `UsageError` where a file is there already."""
    words = {
        "name": answers.name,
        "listeners": "\n".join(_listeners(answers)),
        "schedules": "\n".join(_schedules(answers)),
        "where": "\n".join(_where(answers)),
    }
    if answers.template.name == "digest" and answers.listen == CONSOLE:
        words["listeners"] += "\n" + OFF.format(answers.name)
    return template.write(folder, template.filled(answers.template.name, words), force=force)


def next_commands(folder: Path, answers: Answers) -> list[tuple[str, str]]:
    """Return what to run next, and what it is for; the first is the one to begin with."""
    file = folder / f"{answers.name}.yaml"
    secret = "MATRIX_PASSWORD=… " if answers.listen.startswith("@") else ""
    return [
        (f"chatbot flow dev {file}", "talk to it here while you change it"),
        (f"chatbot flow test {file}", "see whether it answers as its tests say"),
        (f"{secret}chatbot run {file}", "run it"),
    ]


def _listeners(answers: Answers) -> list[str]:
    place, *rooms = answers.listen.split()
    if place == CONSOLE:
        note = "# A network of its own makes it listen there, and not in the terminal:"
        irc = f'#   irc: {{server: irc.libera.chat, channels: ["#example"], nick: {answers.name}}}'
        return ["listeners:", "  console: {nick: " + answers.name + "}", f"  {note}", f"  {irc}"]
    only = [f"    only: {answers.only}"] if answers.only != "everybody" else []
    return [
        "listeners:",
        *(_matrix if place.startswith("@") else _irc)(answers, place, rooms),
        *only,
    ]


def _schedules(answers: Answers) -> list[str]:
    """Return when a digest is due: in the rooms named, or in one that is to be named."""
    place, *rooms = answers.listen.split()
    network = "matrix" if place.startswith("@") else "irc"
    if network == "matrix":
        rooms = [room if room.startswith("!") else "!id-of-the-room:example.org" for room in rooms]
    named = ", ".join(f'"{network}/{room}"' for room in rooms or ["#example"])
    return ["schedules:", f"  week: {{every: monday at 9:00, zone: UTC, in: [{named}]}}"]


def _irc(answers: Answers, place: str, rooms: Sequence[str]) -> list[str]:
    server, _, port = place.partition(":")
    channels = ", ".join(f'"{room}"' for room in rooms)
    return [
        "  irc:",
        f"    server: {server}",
        *([f"    port: {port}"] if port else []),
        f"    channels: [{channels}]",
        f"    nick: {answers.name}",
        "    password: ${IRC_PASSWORD:-}   # from the environment",
    ]


def _matrix(_: Answers, place: str, rooms: Sequence[str]) -> list[str]:
    named = ", ".join(f'"{room}"' for room in rooms)
    return [
        "  matrix:",
        f'    user: "{place}"',
        "    password: ${MATRIX_PASSWORD}   # from the environment",
        f"    rooms: [{named}]",
    ]


def _where(answers: Answers) -> list[str]:
    place, *rooms = answers.listen.split()
    if place == CONSOLE:
        return ["", "It listens in the terminal; `listeners:` says how to have it elsewhere."]
    secret = "MATRIX_PASSWORD" if place.startswith("@") else "IRC_PASSWORD"
    told = f"It listens as `{place}`" if place.startswith("@") else f"It listens on `{place}`"
    return ["", f"{told} in {', '.join(rooms)}; a password goes by the variable `{secret}`."]
