"""What a person typed, made fit for understanding.

The rule that it guards: time is linear in the text, whatever the text is. Every pattern below
is bounded or can fail in one way only, and runs of combining marks are cut before Unicode
normalisation, which sorts them in quadratic time.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import regex
from dffml import Definition, op

from operations.placement import cheap

_OUTPUTS = {
    "text": Definition(name="clean_text.text", primitive="string"),
    "open": Definition(name="clean_text.open", primitive="bool"),
    "links": Definition(name="clean_text.links", primitive="array"),
    "code": Definition(name="clean_text.code", primitive="array"),
    "quotes": Definition(name="clean_text.quotes", primitive="array"),
}


@cheap
@op(name="clean_text", outputs=_OUTPUTS)  # type: ignore[untyped-decorator]
def clean_text(text: str, nick: str = "") -> dict:  # type: ignore[type-arg]
    """Take from `text` what is not language: see `clean`, whose fields are the outputs."""
    cleaned = clean(text, nick)
    return {
        "text": cleaned.text,
        "open": cleaned.open,
        "links": list(cleaned.links),
        "code": list(cleaned.code),
        "quotes": list(cleaned.quotes),
    }


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text without format codes, links, code, quotes and the name of whom it speaks to.

    `text` is one line in Unicode NFKC, `""` where all was links, code or quotes. `open` says
    that it is for everybody or for the bot; false that it begins with somebody else's name
    (`anna: …`, `anna, …`, `@anna …`), which stays in `text`, or is a command (`!seen anna`).
    """

    text: str
    open: bool = True
    links: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()


def clean(text: str, nick: str = "") -> CleanText:
    """Clean `text`, in which the bot is called `nick`. Never raises, in linear time."""
    links: list[str] = []
    code: list[str] = []
    quotes: list[str] = []
    rest = _legible(text)
    if ">" in rest:
        rest = _without_quotes(rest, quotes)
    if "`" in rest:
        rest = _without_code(rest, code)
    if "://" in rest or "www." in rest.lower():
        rest = _without_links(rest, links)
    rest = " ".join(rest.split())
    rest, named = _without_nick(rest, nick)
    if (links or code or quotes) and not _MEANING.search(rest):
        rest = ""
    is_open = named or not _is_for_others(rest)
    return CleanText(rest, is_open, tuple(links), tuple(code), tuple(quotes))


_FORMAT = regex.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?"
    r"|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?"
    r"|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
_SPACE = regex.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_MARKS = regex.compile(r"([\p{M}\uff9e\uff9f]{8})[\p{M}\uff9e\uff9f]+")
_INVISIBLE = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Co}\p{Cs}[\p{Cc}--[\t\n]]]", regex.V1
)
_MEANING = regex.compile(r"[\p{L}\p{N}\p{So}]")


def _legible(text: str) -> str:
    """Return what a reader would see: no format codes, no invisible characters, NFKC."""
    if text.isascii() and text.isprintable():
        return text
    text = _FORMAT.sub("", text)
    text = _SPACE.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", _MARKS.sub(r"\1", text))
    return _INVISIBLE.sub("", text.replace("\u2800", " "))


_QUOTE = regex.compile(r"[ \t]*>+(?:[ \t]+|$)")


def _without_quotes(text: str, quotes: list[str]) -> str:
    kept = []
    fenced = False
    for line in text.split("\n"):
        quote = None if fenced else _QUOTE.match(line)
        if quote is None:
            kept.append(line)
            fenced ^= line.count("```") % 2 == 1
        elif content := line[quote.end() :].strip():
            quotes.append(content)
    return "\n".join(kept)


_LANGUAGE = regex.compile(r"[\w+#.-]{0,20}\n")
_INLINE = regex.compile(r"`{1,2}([^`\n]+)`{1,2}")


def _without_code(text: str, code: list[str]) -> str:
    """Take out fenced blocks (one that is never closed goes to the end) and inline spans."""
    kept = []
    for number, part in enumerate(text.split("```")):
        if number % 2 == 0:
            code_in_line = [span for found in _INLINE.findall(part) if (span := found.strip())]
            kept.append(_INLINE.sub(" ", part) if code_in_line else part)
            code.extend(code_in_line)
        elif block := _block(part):
            code.append(block)
    return " ".join(kept)


def _block(part: str) -> str:
    """Return what stands between two fences, without the name of its language."""
    language = _LANGUAGE.match(part)
    return part[language.end() :].strip("\n") if language else part.strip()


_LABELLED_LINK = regex.compile(
    r"\[([^\[\]\n]{1,500})\]\((?=[A-Za-z][A-Za-z0-9+.-]{1,15}://)([^\s()<>]+)\)"
)
_LINK = regex.compile(r"<?\b(?:[A-Za-z][A-Za-z0-9+.-]{1,15}://|(?i:www\.))([^\s<>\"]+)>?")


def _without_links(text: str, links: list[str]) -> str:
    """Take out addresses; of Markdown's `[name](address)` the name stays."""

    def keep_name(match: regex.Match[str]) -> str:
        links.append(match[2])
        return match[1]

    def keep_end(match: regex.Match[str]) -> str:
        found = match[0].strip("<>")
        link = _trimmed(found)
        links.append(link)
        return " " + found[len(link) :]

    return _LINK.sub(keep_end, _LABELLED_LINK.sub(keep_name, text))


def _trimmed(link: str) -> str:
    """Return `link` without the punctuation of the sentence around it."""
    link = link.rstrip(".,;:!?'*_~")
    if link.endswith((")", "]")) and "(" not in link and "[" not in link:
        link = link.rstrip(")].,;:!?'*_~")
    return link


def _without_nick(text: str, nick: str) -> tuple[str, bool]:
    """Return the text without the bot's name at either end, and whether it was there."""
    if not nick or len(nick) > 255:
        return text, False
    before, after = _nick_patterns(nick)
    start = before.match(text)
    rest = text[start.end() :] if start else text
    end = after.search(rest[-len(nick) - 80 :])
    if end:
        rest = rest[: len(rest) - len(end[0])].rstrip() + end[1]
    return rest, bool(start or end)


@lru_cache(maxsize=64)
def _nick_patterns(nick: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Return patterns for `nick: …` and `…, nick!`, with the marks that servers append."""
    bare = unicodedata.normalize("NFKC", nick).rstrip("_`^|-") or nick
    name = regex.escape(bare) + r"[_`^|-]{0,8}"
    start = rf"(?:@?{name}(?:\s?[:,;>!]+(?=\s|$)|(?=\s|$))\s*|@{name}[:,;.!?]*\s*$)"
    end = rf"(?:,\s?@?|\s@){name}([.!?]{{0,8}})$"
    return regex.compile(start, regex.I), regex.compile(end, regex.I)


_OTHERS = regex.compile(
    r"@[\w\[\]`^{|}-]|[!/]\p{L}"
    r"|([^\s\d:,@][^\s:,@]{0,63})\s?:(?=\s|$)|([\p{L}_\[\]\\`^{|}][\w\[\]\\`^{|}-]{0,31}),(?=\s|$)"
)


def _is_for_others(text: str) -> bool:
    match = _OTHERS.match(text)
    return match is not None and (match[1] or match[2] or "").casefold() not in _OPENINGS


_OPENINGS = frozenset(
    (  # noqa: SIM905
        "actually afternoon again ah aha all alright also alternatively and anyway anyways "
        "apparently basically bot btw but bye cheers congrats congratulations cool currently "
        "cya dang dear dudes edit eh err error evening everybody everyone exactly example "
        "excellent finally first folks fyi goodbye great greetings guess guys guyz haha hello "
        "help hey heya heyo hi hint hiya hm hmm hmmm honestly however idk indeed info "
        "interesting lately later lol look man maybe meanwhile mmm morning nah nevermind next "
        "nice no nope not note now oh oha ok okay oops otherwise ouch people perfect perhaps "
        "personally please pls problem ps q question really right sadly second secondly see "
        "seriously so somehow sometimes sorry still strange sup sure surely ta tada team thank "
        "thanks thankyou then there third though thx tip tldr today tomorrow ty ugh uh um umm "
        "understood unfortunately update usually warning weird welcome well welp what whatever "
        "why wow yay yeah yep yes yesterday yo yup "
    ).split()
)
"""First words before a comma or a colon that are no names."""
