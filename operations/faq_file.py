"""Questions and their answers in a Markdown file: headings, and what stands below them.

The rule that it guards: all that is wrong with the file is told at once, with its place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.errors import FlowError
from chatbot.flowfile.problems import Mark, Problem, Report

HINT = "write a heading (`## How do I …?`) and below it a paragraph that answers it"


@dataclass(frozen=True, slots=True)
class Entry:
    """A heading with its answer: the first paragraph below it, as plain text.

    `also` are other ways to ask it, `anchor` is where GitHub and most other renderers put it.
    """

    question: str
    answer: str
    anchor: str
    also: tuple[str, ...] = ()


def read_faq(path: Path) -> list[Entry]:
    """Return the entries of the file, in its order; raises `FlowError` with every problem."""
    entries, problems = check_faq(path)
    if problems:
        raise FlowError(problems)
    return entries


def check_faq(path: Path) -> tuple[list[Entry], list[Problem]]:
    """Return what can be read of the file, and its problems in the order of the file.

    A heading over other headings needs no paragraph; with one it is an entry, too. The title (the
    first heading, of a level that no other has) is none. `<!-- also: …? | …? -->` below a
    heading has other ways to ask.
    """
    report = Report()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        report.add(Mark(str(path)), f"cannot be read: {error.strerror}")
        return [], report.problems()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        report.add(Mark(str(path), line, 1), "is not UTF-8", "save it as UTF-8")
        return [], report.problems()
    sections = list(_sections(text))
    entries = list(_entries(path, sections, report))
    if not entries and not len(report):
        report.add(Mark(str(path), 1, 1), "has no question", HINT)
    return entries, report.problems()


@dataclass(slots=True)
class _Section:
    """A heading and what was found below it, before the next one."""

    level: int
    line: int
    column: int
    question: str
    anchor: str
    answer: str = ""
    also: tuple[str, ...] = ()


def _sections(text: str) -> Iterator[_Section]:
    from markdown_it import MarkdownIt

    lines = text.splitlines()
    anchors: dict[str, int] = {}
    section: _Section | None = None
    tokens = MarkdownIt("commonmark").parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.type == "heading_open" and following is not None:
            if section is not None:
                yield section
            section = _section(token, following, lines, anchors)
        elif section is None:
            continue
        elif token.type == "paragraph_open" and following is not None and not section.answer:
            section.answer = plain(following)
        elif token.type == "html_block" and (found := _ALSO.match(token.content)):
            ways = (way.strip() for way in found[1].split("|"))
            section.also += tuple(way for way in ways if way)
    if section is not None:
        yield section


_ALSO = re.compile(r"\s*<!--\s*also:((?:[^-]|-(?!->))*)-->", re.IGNORECASE)


def _section(token: Any, inline: Any, lines: list[str], anchors: dict[str, int]) -> _Section:
    line = token.map[0]
    column = len(lines[line]) - len(lines[line].lstrip(" #")) if line < len(lines) else 0
    question = plain(inline)
    slug = _UNLINKED.sub("", question.lower()).replace(" ", "-")
    seen = anchors.get(slug, 0)
    anchors[slug] = seen + 1
    anchor = f"{slug}-{seen}" if seen else slug
    return _Section(int(token.tag[1:]), line + 1, column + 1, question, anchor)


_UNLINKED = re.compile(r"[^\w\- ]")


def plain(inline: Any) -> str:
    """Return what a reader of plain text needs of an inline token: words, code and addresses."""
    parts: list[str] = []
    links: list[str] = []
    for child in inline.children or ():
        if child.type == "text":
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append(f"`{child.content}`")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "link_open":
            links.append(str(child.attrs.get("href", "")))
            parts.append("\0")
        elif child.type == "link_close":
            start = len(parts) - 1 - parts[::-1].index("\0")
            shown = "".join(parts[start + 1 :])
            parts[start:] = [_link(shown, links.pop())]
        elif child.type == "image":
            parts.append(child.content)
    return " ".join("".join(parts).split())


def _link(shown: str, address: str) -> str:
    if "://" not in address or shown == address:
        return shown
    return f"{shown} ({address})"


def _entries(path: Path, sections: list[_Section], report: Report) -> Iterator[Entry]:
    seen: dict[str, int] = {}
    for section, following in zip(sections, [*sections[1:], None], strict=False):
        mark = Mark(str(path), section.line, section.column)
        first = section is sections[0]
        if first and all(other.level > section.level for other in sections[1:]) and following:
            continue  # the title
        if not section.question:
            report.add(mark, "the heading has no text", HINT)
        elif not section.answer:
            if following is None or following.level <= section.level:
                report.add(mark, f"no paragraph answers {section.question!r}", HINT)
        elif (line := seen.get(section.question.casefold())) is not None:
            report.add(mark, f"the same question stands in line {line}", "keep one of them")
        else:
            seen[section.question.casefold()] = section.line
            yield Entry(section.question, section.answer, section.anchor, section.also)
