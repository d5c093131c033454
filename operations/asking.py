"""What is a question, what is an answer to one, and when something was, in words. Pure.

The rule that it guards: nothing that is quoted later carries control characters or line ends, or
is longer than one line of chat.
"""

import re
from datetime import UTC, datetime

from operations.names import word_set

LONGEST = 400
"""Characters of what is quoted."""

_OPENINGS = word_set(
    "how what why where when which who whom whose can could is are was were does do did has have "
    "should would will anyone anybody someone somebody any"
)
_EMPTY = _OPENINGS | word_set(
    "i i'm i've im me my mine you your u we us our he she it its it's they them this that these "
    "those there here a an the and or but so if then as at in on of to for from with by about "
    "into out up do doing done be been being am not no any some all one ones thing things "
    "something anything everything nothing else more most much many very really just only also "
    "too again now still yet already ever never please pls plz thanks hi hello hey guys ok okay "
    "well know knows see tell say think try tried check go get gets got make makes need needs "
    "want use used using work works working help helps idea ideas question questions problem "
    "problems issue issues error errors fix fixed answer next possible way how's what's where's "
    "who's that's isn't don't doesn't didn't can't won't may might must shall latest happen "
    "happens happened mean means did does has had wrong right sure different same body folks "
    "people somebody everyone everybody"
)
_FEWEST_WORDS = 3
_FEWEST_TELLING = 2
_LETTERS = re.compile(r"[^\W_][\w'.+#-]*")
_INVISIBLE = re.compile(
    r"\x03\d{0,2}(?:,\d{1,2})?|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)
_NAMED = re.compile(r"@?([^\s:,@]{1,64})[:,]\s+(?=\S)")


def is_question(text: str) -> bool:
    """Whether a cleaned text asks something that others may ask, and says what about.

    "How do I do that?" and "can anyone help me?" are asked every day, each time about something
    else: two words must be about something.
    """
    words = [word.rstrip(".'-") for word in _LETTERS.findall(text.lower())]
    if not words or ("?" not in text and words[0] not in _OPENINGS):
        return False
    return len({word for word in words if word not in _EMPTY}) >= _FEWEST_TELLING


def is_answer(text: str) -> bool:
    """Whether a text says something, and asks nothing back."""
    return (len(text.split()) >= _FEWEST_WORDS and not text.rstrip().endswith("?")) or "://" in text


def spoken_to(text: str) -> tuple[str, str]:
    """Return the nick that `text` begins with and what follows; "" and `text` for none."""
    match = _NAMED.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def quotable(text: str) -> str:
    """Return `text` as one line that can be said again, cut at a word."""
    line = " ".join(_INVISIBLE.sub(" ", text).split())
    if len(line) <= LONGEST:
        return line
    return line[: LONGEST - 1].rpartition(" ")[0] + " …"


def when(then: datetime, now: datetime) -> str:
    """Return when `then` was, as people say it at `now`: today, on Tuesday, on 3 March; UTC."""
    day, today = then.astimezone(UTC).date(), now.astimezone(UTC).date()
    days = (today - day).days
    if days <= 0:
        return "today"
    if days == 1:
        return "yesterday"
    if days < 7:
        return f"on {_DAYS[day.weekday()]}"
    year = f" {day.year}" if days > 300 else ""
    return f"on {day.day} {_MONTHS[day.month - 1]}{year}"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
