"""A replay as one HTML file: figures, plots and examples, with nothing to load from elsewhere.

The rule: what people wrote is escaped, and the page runs no script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from chatbot.commands.comparison import Comparison, said_by
from chatbot.commands.tally import Tally, printable
from chatbot.errors import UsageError
from chatbot.messages import ChatMessage, Outcome

BINS = 20
COLUMNS = 60
"""Of the plot over time, at most."""

ROWS = 500
"""Messages that are listed."""

_WIDTH, _HEIGHT, _BAR = 720, 140, 20
_CSS = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1b2433}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2rem .6rem;vertical-align:top;
border-bottom:1px solid #e3e7ee;overflow-wrap:anywhere}td.n,th.n{text-align:right}
h2{margin-top:2.5rem}figure{margin:1rem 0}figcaption,.dim{color:#55606f}
.before{color:#a11}.now{color:#171}svg{max-width:100%;height:auto}
"""


@dataclass(slots=True)
class Story:
    """What a report shows beyond the tally; bounded, however long the log."""

    scores: Counter[int] = field(default_factory=Counter)
    minutes: Counter[int] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    said: int = 0
    """How many messages the bot would have said or done something for, here or elsewhere."""
    replies: list[tuple[ChatMessage, Outcome]] = field(default_factory=list)
    """The first of those."""

    def add(self, message: ChatMessage, outcome: Outcome) -> None:
        """Count a message."""
        score = outcome.understood.get("score")
        if isinstance(score, float):
            self.scores[min(int(score * BINS), BINS - 1)] += 1
        minute = int(message.time.timestamp() // 60)
        self.minutes[minute] += 1
        if outcome.replies:
            self.answered[minute] += 1
        if outcome.replies or outcome.actions or outcome.elsewhere:
            self.said += 1
            if len(self.replies) < ROWS:
                self.replies.append((message, outcome))


def write_report(
    path: Path, *, title: str, tally: Tally, story: Story, comparison: Comparison | None
) -> None:
    """Write the report; raises `UsageError` where it cannot be written."""
    try:
        path.write_text(html_of(title, tally, story, comparison), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def html_of(title: str, tally: Tally, story: Story, comparison: Comparison | None) -> str:
    """Return the page."""
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(printable(title))}</title><style>{_CSS}</style></head><body>",
        f"<h1>{escape(printable(title))}</h1>",
        f"<p>{tally.total:,} messages: {tally.answered:,} answered, {tally.silent:,} silent, "
        f"{tally.failed:,} failed. Nothing was sent.</p>",
        *_commands(tally),
        *_compared(comparison),
        *_over_time(story),
        *_labels(tally),
        *_scores(story),
        *_replies(story),
        *_failures(tally),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def _commands(tally: Tally) -> Iterator[str]:
    if tally.commands:
        yield f"<p>Commands to the bot, not carried out: {escape(printable(tally.commanded))}.</p>"


def _compared(comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        return
    yield f"<h2>Compared</h2><p><b>{escape(str(comparison))}</b>; "
    yield f"{comparison.understood:,} have another label.</p>"
    rows = [
        (
            f'<td class="n">{each.number:,}</td>',
            _cell(each.message.text),
            _cell(each.before, "before"),
            _cell(each.now, "now"),
        )
        for each in comparison.differences
    ]
    yield from _table(("#n", "message", "before", "now"), rows)
    if comparison.different > len(rows):
        yield f'<p class="dim">… and {comparison.different - len(rows):,} more</p>'


def _over_time(story: Story) -> Iterator[str]:
    if len(story.minutes) < 2:
        return
    first, last = min(story.minutes), max(story.minutes)
    per = max(1, -(-(last - first + 1) // COLUMNS))
    count = (last - first) // per + 1
    heard, said = [0] * count, [0] * count
    for minute, number in story.minutes.items():
        heard[(minute - first) // per] += number
        said[(minute - first) // per] += story.answered[minute]
    unit = "minute" if per == 1 else f"{per} minutes"
    yield "<h2>Over time</h2>"
    yield from _bars(
        heard, said, f"Messages in each {unit}; dark: answered. From first to last of the log."
    )


def _scores(story: Story) -> Iterator[str]:
    if not story.scores:
        return
    counts = [story.scores[number] for number in range(BINS)]
    yield "<h2>How sure</h2>"
    yield from _bars(counts, [], "Messages by score, from 0 on the left to 1 on the right.")


def _bars(heights: Sequence[int], dark: Sequence[int], caption: str) -> Iterator[str]:
    """Yield a plot of columns; `dark` are parts of them."""
    top = max(heights) or 1
    width = _WIDTH / len(heights)
    yield f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT + 20}" role="img">'
    yield f'<text x="0" y="12" font-size="11" fill="#55606f">{top:,}</text>'
    for counts, fill in ((heights, "#a9c1ee"), (dark, "#2f5fc4")):
        for number, count in enumerate(counts):
            tall = (_HEIGHT - 20) * count / top
            yield (
                f'<rect x="{number * width:.1f}" y="{_HEIGHT - tall:.1f}" '
                f'width="{max(width - 1, 0.5):.1f}" height="{tall:.1f}" fill="{fill}">'
                f"<title>{count:,}</title></rect>"
            )
    yield f'<path d="M0 {_HEIGHT}H{_WIDTH}" stroke="#55606f"/></svg>'
    yield f"<figcaption>{escape(caption)}</figcaption></figure>"


def _labels(tally: Tally) -> Iterator[str]:
    if not tally.labels:
        return
    ordered = sorted(tally.labels.items(), key=lambda item: (not item[0], -item[1].messages))
    top = max(label.messages for _, label in ordered)
    yield "<h2>Labels</h2>"
    rows = []
    for name, label in ordered:
        whole = 200 * label.messages / top
        part = 200 * label.answered / top
        bar = (
            f'<td><svg width="200" height="{_BAR}" viewBox="0 0 200 {_BAR}">'
            f'<rect width="{whole:.1f}" height="{_BAR}" fill="#a9c1ee"/>'
            f'<rect width="{part:.1f}" height="{_BAR}" fill="#2f5fc4"/></svg></td>'
        )
        example = " · ".join(text for *_, text in label.examples)
        figures = (label.messages, label.answered)
        numbers = "".join(f'<td class="n">{figure:,}</td>' for figure in figures)
        rows.append((_cell(name or "(none)"), numbers, bar, _cell(example, "dim")))
    yield from _table(("label", "#messages", "#answered", "", "for example"), rows)


def _replies(story: Story) -> Iterator[str]:
    if not story.replies:
        return
    yield "<h2>What the bot would have said</h2>"
    rows = [
        (
            _cell(str(outcome.understood.get("label") or _command(message))),
            _cell(f"{message.sender}: {message.text}"),
            _cell(said_by(outcome)),
        )
        for message, outcome in story.replies
    ]
    yield from _table(("label", "message", "reply"), rows)
    if story.said > len(rows):
        yield f'<p class="dim">… and {story.said - len(rows):,} more</p>'


def _command(message: ChatMessage) -> str:
    """Say that a message is a command, which the flow itself deals with."""
    return f"(command {message.command})" if message.command else ""


def _failures(tally: Tally) -> Iterator[str]:
    if not tally.failures:
        return
    yield "<h2>What failed</h2>"
    rows = [
        (f'<td class="n">{count:,}</td>', _cell(why)) for why, count in tally.failures.most_common()
    ]
    yield from _table(("#messages", "why"), rows)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    shown = (
        f'<th class="n">{escape(head[1:])}</th>' if head[:1] == "#" else f"<th>{escape(head)}</th>"
        for head in heads
    )
    yield f"<table><thead><tr>{''.join(shown)}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(row)}</tr>"
    yield "</tbody></table>"


def _cell(text: str, kind: str = "") -> str:
    given = f' class="{kind}"' if kind else ""
    return f"<td{given}>{escape(printable(text))}</td>"
