"""What a message names: versions, errors, paths, links, issues, platforms, packages.

The rule that it guards: time is linear in the text, whatever the text is. It is looked at word by
word; a pattern sees one word of at most 512 characters and can fail in one way only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dffml import Definition, OperationImplementationContext, op

from operations.forms import kind_of
from operations.names import installed, platforms_in, program_files
from operations.placement import cheap

KINDS = ("versions", "errors", "paths", "links", "issues", "platforms", "packages")

LONGEST = 512
"""Characters of a word that is looked at; only links may be longer."""

LONGEST_LINK = 2048
LONGEST_TEXT = 32 * 1024
"""Characters of a text that are looked at; chat messages are shorter."""

MOST = 50
"""Things of a kind that are told of one text."""


@dataclass(frozen=True)
class EntitiesConfig:
    """Names that this community uses, beside those that are recognised by their form.

    `packages` are found wherever they stand as a word of their own, in any case; `platforms`
    likewise. `trackers` are the letters before a number that make it an issue (`PROJ` for
    PROJ-12).
    """

    packages: list[str] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)
    trackers: list[str] = field(default_factory=list)


_OUTPUTS = {
    **{kind: Definition(name=f"find_entities.{kind}", primitive="array") for kind in KINDS},
    "any": Definition(name="find_entities.any", primitive="bool"),
    "unversioned": Definition(name="find_entities.unversioned", primitive="bool"),
}


@cheap
@op(name="find_entities", config_cls=EntitiesConfig, outputs=_OUTPUTS)  # type: ignore[untyped-decorator]
def find_entities(self: OperationImplementationContext, text: str):  # type: ignore[no-untyped-def]
    """Return what `text` names, a list of strings for each kind, and whether there is `any`.

    `unversioned` says that it names an error and no version: something to ask for.
    """
    found = entities(text, self.config)
    unversioned = bool(found["errors"]) and not found["versions"]
    return {**found, "any": any(found.values()), "unversioned": unversioned}


def entities(text: str, config: EntitiesConfig | None = None) -> dict[str, list[str]]:
    """Return what `text` names: kind → texts, each once, in the order of the text.

    | kind | like | told |
    |---|---|---|
    | `versions` | `v1.2`, `2.8.4-0ubuntu5`, `version 5` | it stands there |
    | `errors` | `KeyError`, `ENOENT`, `E0382`, `0x80070005`, `HTTP 404`, `exit code 1` | one form |
    | `paths` | `/etc/fstab`, `C:\\\\x`, `src/main.rs`, `xorg.conf` | it stands there |
    | `links` | `https://…`, `example.org/x` | it stands there, without the sentence's marks |
    | `issues` | `#12`, `bug 12`, `org/repo#12`, an address, `CVE-…` | `#12`, `org/repo#12` |
    | `platforms` | `ubuntu 12.04`, `win10` | `Ubuntu 12.04`, `Windows 10` |
    | `packages` | `apt install x`, `x==1.2`, `libx-dev`, a registry's address | the name |

    Never raises, in linear time.
    """
    finder = _Finder(config or _NONE)
    finder.read(text[:LONGEST_TEXT])
    return {kind: list(finder.found[kind])[:MOST] for kind in KINDS}


_NONE = EntitiesConfig()
_EDGES = "\"'`“”‘’«»<>(){}[]*,;:!?|=…"
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"]+|www\.[^\s<>\"]+")
_MARKED = re.compile(r"\]\(([^\s()<>]{1,2048})\)|\)\]")
_ASSIGNED = re.compile(r"[A-Za-z_-]{1,32}=(?=[/~.]|[A-Za-z]:\\)")
_CONTROL = re.compile(r"\x03\d{0,2}(?:,\d{1,2})?|[\x00-\x08\x0e-\x1f\x7f]")


class _Finder:
    """What was found so far, and the words of the text."""

    def __init__(self, config: EntitiesConfig) -> None:
        self.found: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}
        self._packages = {name.casefold(): name for name in config.packages}
        self._platforms = {name.casefold(): name for name in config.platforms}
        self._trackers = frozenset(config.trackers)

    def add(self, kind: str, *values: str) -> None:
        for value in values:
            if value:
                self.found[kind].setdefault(value)

    def read(self, text: str) -> None:
        for line in _CONTROL.sub("", text).splitlines():
            words = line.split()
            bare = [_bare(word) for word in words]
            lower = [word.lower() for word in bare]
            self.add("platforms", *platforms_in(list(_parts(lower)), self._platforms))
            self.add("packages", *installed(words))
            for number, word in enumerate(words):
                self._word(number, word, bare, lower)

    def _word(self, number: int, word: str, bare: list[str], lower: list[str]) -> None:
        if self._links(word):
            return
        short = bare[number]
        if not short or len(short) > LONGEST:
            return
        before = lower[number - 1] if number else ""
        earlier = lower[number - 2] if number > 1 else ""
        if name := self._packages.get(lower[number]):
            self.add("packages", name)
        kind, told = kind_of(short, before, earlier)
        if kind:
            self.add(kind, told)
        else:
            self._tracked(short)
        if file := program_files(short):
            self.add("versions", file[1])
        if requirement := _REQUIREMENT.fullmatch(short):
            self.add("packages", requirement[1])
            self.add("versions", requirement[2])

    def _links(self, word: str) -> bool:
        """Add the addresses in a word; return whether that is all there is to it."""
        if "://" not in word and "www." not in word:
            host = _HOST.match(bare := _bare(word[:LONGEST]))
            if host is None:
                return False
            self._link(bare)
            return True
        for part in _MARKED.split(word):
            for match in _LINK.finditer(part or ""):
                self._link(_trimmed(match[0][:LONGEST_LINK]))
        return True

    def _link(self, link: str) -> None:
        self.add("links", link)
        if issue := _ISSUE_LINK.search(link):
            self.add("issues", f"{issue[1]}#{issue[2]}")
        elif bug := _BUG_LINK.search(link):
            self.add("issues", f"#{bug[1]}")
        elif package := _REGISTRY.search(link):
            self.add("packages", package[1])
            self.add("versions", package[2] or "")
        elif file := program_files(link.rpartition("/")[2]):
            self.add("packages", file[0])
            self.add("versions", file[1])

    def _tracked(self, word: str) -> None:
        match = _TRACKED.fullmatch(word)
        if match and (match[1] in self._trackers or match[1] == "CVE"):
            self.add("issues", word)


def _bare(word: str) -> str:
    """Return `word` without the punctuation around it."""
    word = _ASSIGNED.sub("", word[: LONGEST * 2]).strip(_EDGES)
    return word.rstrip("." + _EDGES) or word


def _parts(words: list[str]) -> Iterator[str]:
    """Yield the words, and in place of `mac/linux` its parts."""
    for word in words:
        if "/" in word.strip("/") and word[0] != "/" and word.replace("/", "").isalpha():
            yield from word.split("/")
        else:
            yield word


def _trimmed(link: str) -> str:
    link = link.rstrip(".,;:!?'\"*`|>")
    while link.endswith((")", "]")) and link.count("(") < link.count(")") + link.count("]"):
        link = link[:-1].rstrip(".,;:!?'*")
    return link


_TLDS = "com|org|net|io|dev|edu|gov|info|app|sh|rs|ai|me|de|uk|fr|nl|eu|ch|im|gg|ly|to|co"
_HOST = re.compile(
    rf"(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.){{1,5}}(?:(?:{_TLDS})(?:/[^\s<>\"]*)"
    r"|(?:com|org|net|edu|gov))\Z",
    re.I,
)
_ISSUE_LINK = re.compile(
    r"//(?:www\.)?[a-z0-9.-]{1,64}/([\w.-]{1,64}/[\w.-]{1,64}(?:/[\w.-]{1,64})?)"
    r"/(?:-/)?(?:issues|pull|merge_requests)/(\d{1,9})"
)
_BUG_LINK = re.compile(
    r"//(?:bugs?|bugzilla|launchpad)\.[\w.-]{1,64}/(?:show_bug\.cgi\?id=|[\w./+-]{0,64}?\+?bug[s/]{1,2})?"
    r"(\d{1,9})\b"
)
_REGISTRY = re.compile(
    r"//(?:www\.)?(?:crates\.io/crates|docs\.rs|pypi\.org/project|npmjs\.com/package"
    r"|rubygems\.org/gems|packages\.debian\.org/[a-z-]{1,20}|packages\.ubuntu\.com/[a-z-]{1,20})"
    r"/((?:@[\w.-]{1,64}/)?[\w.+-]{1,100})(?:/(\d[\w.+-]{0,40}))?"
)
_TRACKED = re.compile(r"([A-Z][A-Z0-9]{1,9})-(?:\d{4}-)?\d{1,7}")
_REQUIREMENT = re.compile(
    r"(@?[A-Za-z][\w.-]{0,80}(?:/[\w.-]{1,80})?)(?:\[[\w,-]{0,80}\])?(?:[=~<>!]=|@[~^]?)(v?\d[\w.+-]{0,40})"
)


def check_config(config: EntitiesConfig) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for each name that cannot be found."""
    for key in ("packages", "platforms", "trackers"):
        for number, name in enumerate(getattr(config, key)):
            if not name.strip() or len(name.split()) != 1:
                yield (key, number), f"{name!r} is not one word", "words are looked at one by one"
    for number, name in enumerate(config.trackers):
        if not re.fullmatch(r"[A-Z][A-Z0-9]{1,9}", name):
            yield (
                ("trackers", number),
                f"{name!r} is not 2 to 10 capital letters and digits",
                "write PROJ for PROJ-12",
            )


find_entities.imp.check_config = staticmethod(check_config)
