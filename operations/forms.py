"""What a word is by its form, and by the two words before it. Pure.

The rule that it guards: no pattern can match in two ways, so that none of them backtracks for
long, whatever the word is (of at most 512 characters).
"""

import re

from operations.names import program_files, word_set


def kind_of(word: str, before: str, earlier: str) -> tuple[str, str]:
    """Return what kind of thing `word` is, and how it is told; "" twice where it is none.

    `before` and `earlier` are the words before it, in lower case, the nearer one first.
    """
    if word.isalpha() and word.islower() and before not in _PACKAGE_WORDS:
        return "", ""  # most words are such: nothing below has neither figure, mark nor capital
    if told := _issue(word, before, earlier):
        return "issues", told
    if told := _error(word, before, earlier):
        return "errors", told
    if told := _package(word, before):
        return "packages", told
    if told := _version(word, before):
        return "versions", told
    if _is_path(word):
        return "paths", word
    return "", ""


def _version(word: str, before: str) -> str:
    if "/" in word and _PRODUCT.match(word):
        word = word.rpartition("/")[2]
    match = _VERSION.fullmatch(word)
    if match is None:
        named = before in _VERSION_WORDS and _NUMBER.fullmatch(word)
        return word if named or _SHORT.fullmatch(word) else ""
    if match[1] or before in _VERSION_WORDS or before in _RUNNING:
        return match[2]
    return "" if _is_address(word) or _is_quantity(match[3] or "", before) else match[2]


_VERSION_WORDS = word_set("version versions release ver v")
_RUNNING = word_set("running kernel")
_PRODUCT = re.compile(r"[A-Za-z][\w-]{0,40}/v?\d")
_NUMBER = re.compile(r"\d{1,5}")
_SHORT = re.compile(r"v\d{1,3}")
_VERSION = re.compile(
    r"(?:((?i:ubuntu|debian|fedora|ios|android|macos|python|php|node|ruby|java|gcc|clang|perl|go|"
    r"kernel|linux|version|release|ver|rc)-?)(?=\d+\.\d))?"
    r"([vV]?(?:\d:)?\d{1,4}(?:\.\d{1,6}){1,4}"
    r"((?:\.(?=[A-Za-z]))?(?:[A-Za-z]|[-+~](?=[A-Za-z0-9]))[A-Za-z0-9.+~-]{0,48})?)"
)


def _is_address(word: str) -> bool:
    parts = word.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


def _is_quantity(suffix: str, before: str) -> bool:
    return suffix.lower() in _UNITS or before in _AMOUNTS


_UNITS = word_set(
    "x % k m g t kb mb gb tb kib mib gib tib b s ms us ns h min mins hrs hours days am pm v mv w "
    "kw hz khz mhz ghz fps mm cm km in inch px pt em rem kg usd eur mbps gbps kbps mbit"
)
_AMOUNTS = word_set("about around nearly almost approximately over under than = + - * $ €")


def _error(word: str, before: str, earlier: str) -> str:
    word = word + "]" if word.startswith("error[") and not word.endswith("]") else word
    if _EXCEPTION.fullmatch(word) or _ERRNO.fullmatch(word) or _CODE.fullmatch(word):
        return word
    if word in _SIGNALS:
        return word
    if _HEX.fullmatch(word) and ("error" in (before, earlier) or len(word) == 10):
        return word
    if not _NUMBER.fullmatch(word):
        return ""
    if _is_status(word) and (before in _HTTP or (before == "code" and earlier in _HTTP)):
        return f"HTTP {word}"
    if before in _EXITS or (before in _CODES and earlier in _EXITS):
        return f"exit code {word}"
    if before in _ERRORS or (before in _CODES and earlier in _ERRORS):
        return f"error {word}"
    return ""


def _is_status(word: str) -> bool:
    return len(word) == 3 and "400" <= word < "600"


_EXCEPTION = re.compile(
    r"(?:[A-Za-z_][A-Za-z0-9_]{0,60}(?:\.|::)){0,8}"
    r"[A-Z][A-Za-z0-9]{1,60}(?<![a-z] )(?:Error|Exception|Fault|Panic)(?:\(\))?"
)
_ERRNO = re.compile(
    r"E(?:PERM|NOENT|SRCH|INTR|IO|NXIO|AGAIN|NOMEM|ACCES|FAULT|BUSY|EXIST|XDEV|NODEV|NOTDIR|ISDIR"
    r"|INVAL|NFILE|MFILE|TXTBSY|FBIG|NOSPC|ROFS|PIPE|RANGE|DEADLK|NAMETOOLONG|NOTEMPTY|LOOP|PROTO"
    r"|ADDRINUSE|ADDRNOTAVAIL|NETDOWN|NETUNREACH|CONNABORTED|CONNRESET|NOBUFS|NOTCONN|TIMEDOUT"
    r"|CONNREFUSED|HOSTDOWN|HOSTUNREACH|ALREADY|INPROGRESS|CANCELED|RESOLVE|INTEGRITY|OTP|401|403"
    r"|404|429|500)"
)
_CODE = re.compile(
    r"(?:error\[)?(?:E\d{4}|TS\d{4,5}|CS\d{4}|LNK\d{4}|MSB\d{4}|NU\d{4}|C\d{4}(?=:)|ORA-\d{5}"
    r"|SQLSTATE\[\w{5}\]|ERR_[A-Z][A-Z_]{2,60}|NS_ERROR_[A-Z_]{2,60}|KB\d{6,7}|DXGI_ERROR_[A-Z_]{2,60})"
    r"\]?"
)
_SIGNALS = word_set("SIGSEGV SIGKILL SIGABRT SIGBUS SIGILL SIGFPE SIGTERM SIGPIPE")
_HEX = re.compile(r"0x[0-9A-Fa-f]{4,16}")
_HTTP = word_set("http http/1.1 http/2 status code: status: error: https statuscode")
_ERRORS = word_set("error errno error: err errcode errorcode")
_CODES = word_set("code number no status code: #")
_EXITS = word_set("exit exited return returned exit-code")


def _issue(word: str, before: str, earlier: str) -> str:
    match = _ISSUE.fullmatch(word)
    if match:
        named = word[0] != "#" or before in _ISSUE_WORDS or len(match[2]) > 1
        return f"{match[1] or ''}#{match[2]}" if named else ""
    if path := _ISSUE_PATH.fullmatch(word):
        return f"{path[1]}#{path[2]}"
    if _BARE_ISSUE.fullmatch(word) and (
        before in _ISSUE_WORDS or (before in _CODES and earlier in _ISSUE_WORDS)
    ):
        return f"#{word}"
    return word if _TASK.fullmatch(word) else ""


_ISSUE = re.compile(r"(?:(?:[Gg][Hh]-)|([\w.-]{1,64}(?:/[\w.-]{1,64}){1,3})?[#!])(\d{1,8})")
_ISSUE_PATH = re.compile(r"([\w.-]{1,64}/[\w.-]{1,64})/(?:issues|pull|merge_requests)/(\d{1,8})")
_BARE_ISSUE = re.compile(r"\d{1,8}")
_TASK = re.compile(r"T\d{4,7}")
_ISSUE_WORDS = word_set(
    "bug bugs issue issues ticket tickets pr prs pull request mr lp lp: launchpad bz gh task "
    "fixes closes resolves fix"
)


def _is_path(word: str) -> bool:
    if word.startswith("//"):
        return False
    if word.startswith("/") and word.split("/")[1] in _ROOTS and _REST.fullmatch(word):
        return True
    return any(form.fullmatch(word) for form in (_UNIX, _WINDOWS, _FILE))


_ROOTS = word_set(
    "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var Users "
    "Applications Library System Volumes"
)
_REST = re.compile(r"/[\w.+@%~:,*?\[\]{}$=-]{1,255}(?:/[\w.+@%~:,*?\[\]{}$=-]{0,255}){0,40}")
_UNIX = re.compile(
    r"(?:~[\w-]{0,32}|\.{1,2}|\$\{?[A-Z_]{1,40}\}?|/[\w.+@-]{1,64})"
    r"(?:/[\w.+@%~:,*?\[\]{}$=-]{1,255}){1,40}/?|~/"
)
_WINDOWS = re.compile(r"(?:[A-Za-z]:\\|%[A-Za-z]{1,32}%|\\\\[\w.$-]{1,64}\\)[^/:*?\"<>|]{0,400}")
_EXTENSIONS = (
    "c h cc cpp hpp rs py pyi js mjs ts tsx jsx java kt go rb php pl sh bash zsh ps1 bat cmd lua "
    "cs swift conf cfg ini json yaml yml toml xml html css scss md rst txt log list lock service "
    "socket desktop img iso gz bz2 xz zip tar tgz so dll exe ko sys reg sql db sqlite csv pem crt "
    "key lst ipynb gradle cmake mk diff patch bak orig"
)
_FILE = re.compile(
    rf"(?:[\w.+@~-]{{1,128}}/){{0,16}}[\w+@~-]{{0,128}}(?:\.[\w+@~-]{{1,64}}){{0,4}}"
    rf"\.(?:{'|'.join(_EXTENSIONS.split())})(?::\d{{1,6}}){{0,2}}"
    r"|\.[a-z][\w-]{1,40}(?:/[\w.+@-]{1,128}){0,8}"
)


def _package(word: str, before: str) -> str:
    if file := program_files(word):
        return file[0]
    if _DEBIAN.fullmatch(word):
        return word
    if before in _PACKAGE_WORDS and _NAME.fullmatch(word) and word.lower() not in _NO_NAMES:
        return word
    return ""


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{1,80}(?<!ed)(?<!ing)")
_DEBIAN = re.compile(
    r"lib[a-z0-9+.-]{2,60}-(?:dev|dbg|doc|bin|perl|java|utils)|python3?-[a-z0-9.+-]{2,60}"
    r"|linux-(?:image|headers|modules|source)-[a-z0-9.+-]{2,60}"
)
_PACKAGE_WORDS = word_set("package crate gem wheel")
_NO_NAMES = word_set(
    "manager managers management and or is was that which for from in of on to it the a an if "
    "with has have name names version versions list repo repository size type file files as "
    "called named not but so you i we they he can could will would should does did do be been "
    "installed installs install system index cache update updates upgrade itself here there too "
    "docs documentation author authors maintainer maintainers you're i'm it's isn't"
)
