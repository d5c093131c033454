"""Names that are told by a list or by what stands around them: platforms and packages. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence


def word_set(text: str) -> frozenset[str]:
    """Return the words of `text`."""
    return frozenset(text.split())


_PLATFORMS = {
    "ubuntu": "Ubuntu",
    "kubuntu": "Kubuntu",
    "xubuntu": "Xubuntu",
    "lubuntu": "Lubuntu",
    "debian": "Debian",
    "fedora": "Fedora",
    "centos": "CentOS",
    "rhel": "RHEL",
    "red hat": "Red Hat",
    "redhat": "Red Hat",
    "rocky linux": "Rocky Linux",
    "almalinux": "AlmaLinux",
    "opensuse": "openSUSE",
    "suse": "SUSE",
    "gentoo": "Gentoo",
    "slackware": "Slackware",
    "manjaro": "Manjaro",
    "arch linux": "Arch Linux",
    "archlinux": "Arch Linux",
    "alpine linux": "Alpine Linux",
    "linux mint": "Linux Mint",
    "nixos": "NixOS",
    "raspbian": "Raspberry Pi OS",
    "raspberry pi": "Raspberry Pi",
    "rpi": "Raspberry Pi",
    "linux": "Linux",
    "freebsd": "FreeBSD",
    "fbsd": "FreeBSD",
    "openbsd": "OpenBSD",
    "netbsd": "NetBSD",
    "solaris": "Solaris",
    "illumos": "illumos",
    "windows": "Windows",
    "win95": "Windows 95",
    "win98": "Windows 98",
    "win2k": "Windows 2000",
    "winxp": "Windows XP",
    "win7": "Windows 7",
    "win8": "Windows 8",
    "win10": "Windows 10",
    "win11": "Windows 11",
    "w7": "Windows 7",
    "w10": "Windows 10",
    "w11": "Windows 11",
    "wsl": "WSL",
    "wsl2": "WSL 2",
    "cygwin": "Cygwin",
    "mac": "macOS",
    "macos": "macOS",
    "macosx": "macOS",
    "mac os": "macOS",
    "mac os x": "macOS",
    "os x": "macOS",
    "osx": "macOS",
    "ios": "iOS",
    "ipados": "iPadOS",
    "android": "Android",
    "chromeos": "ChromeOS",
    "arm64": "arm64",
    "aarch64": "arm64",
    "armhf": "armhf",
    "armv7": "armv7",
    "x86_64": "x86_64",
    "x86-64": "x86_64",
    "amd64": "x86_64",
    "i386": "i386",
    "i686": "i686",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
}
_LONGEST = max(len(name.split()) for name in _PLATFORMS)
_RELEASE = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,3}|xp|vista|95|98|2000|20\d\d|sid|me|nt")
_JOINED = re.compile(
    r"(ubuntu|debian|fedora|centos|rhel|ios|android|macos|osx|windows)-?(\d[\d.]{0,15})[.-]?"
)


def platforms_in(words: Sequence[str], more: Mapping[str, str]) -> Iterator[str]:
    """Yield the platforms that lower-case `words` name, with their release where it follows.

    `more` are names beside the known ones: in lower case → as it is told.
    """
    number = 0
    while number < len(words):
        for size in range(min(_LONGEST, len(words) - number), 0, -1):
            name = _platform(" ".join(words[number : number + size]), more)
            if name:
                break
        else:
            number += 1
            continue
        number += size
        if name in _DISTRIBUTIONS and words[number : number + 1] == ["linux"]:
            number += 1
        release = words[number] if number < len(words) else ""
        if _RELEASE.fullmatch(release) and not name[-1].isdigit() and name not in _NO_RELEASE:
            yield f"{name} {_shown(release)}"
            number += 1
        else:
            yield name


_DISTRIBUTIONS = frozenset(
    {"Ubuntu", "Debian", "Fedora", "CentOS", "Gentoo", "Slackware", "Manjaro"}
)
_NO_RELEASE = frozenset({"Linux", "arm64", "x86_64", "i386", "i686", "armhf", "Raspberry Pi"})


def _platform(words: str, more: Mapping[str, str]) -> str:
    found = _PLATFORMS.get(words) or more.get(words)
    if found:
        return found
    joined = _JOINED.fullmatch(words) if len(words) <= 32 else None
    return f"{_PLATFORMS[joined[1]]} {joined[2].strip('.-')}" if joined else ""


def _shown(release: str) -> str:
    return release.upper() if release in ("xp", "me", "nt") else release.capitalize()


_INSTALLERS = {
    "apt": ("install", "remove", "purge", "show", "reinstall"),
    "apt-get": ("install", "remove", "purge", "source", "build-dep"),
    "aptitude": ("install", "remove", "purge", "show"),
    "apt-cache": ("policy", "show", "showpkg"),
    "dnf": ("install", "remove"),
    "yum": ("install", "remove"),
    "zypper": ("install", "in", "remove"),
    "pacman": ("-S", "-Sy", "-Syu", "-R", "-Rs"),
    "apk": ("add", "del"),
    "brew": ("install", "uninstall", "upgrade"),
    "choco": ("install",),
    "winget": ("install",),
    "snap": ("install", "remove"),
    "flatpak": ("install",),
    "pip": ("install", "uninstall", "download"),
    "pip3": ("install", "uninstall", "download"),
    "pipx": ("install",),
    "uv": ("add",),
    "poetry": ("add",),
    "conda": ("install",),
    "npm": ("install", "i", "uninstall", "add"),
    "yarn": ("add", "remove"),
    "pnpm": ("add", "remove"),
    "npx": (),
    "cargo": ("add", "install"),
    "gem": ("install",),
    "go": (),
    "composer": ("require",),
    "dpkg-reconfigure": (),
}
_ARGUMENT = re.compile(
    r"(@?[A-Za-z0-9][\w.+-]{0,80}(?:/[\w.-]{1,80})?)(?:\[[\w,-]{0,80}\])?"
    r"(?:(?:[=~<>!]=|=|@[~^]?|:)[\w.*+~:-]{1,48})?"
)
_ENDS = word_set(
    "and or then to for in on it from with if but that this should will is does gives says fails "
    "which as before after again first the a an your my && || | ; # - -- into of so because i you "
    "not maybe instead also too works worked doesn't didn't won't can can't do did please package "
    "packages"
)
_WITH_VALUE = word_set("-r --requirement -c --constraint -t -i --index-url --target -f -e")


def _command(words: Sequence[str], number: int) -> int:
    """Return where the names of packages begin behind an installer at `number`; 0 for nowhere."""
    verbs = _INSTALLERS.get(words[number].strip("`'\"$").lower())
    if not verbs or number + 1 >= len(words):
        return 0
    at = number + 1
    while at < len(words) and words[at].startswith("-") and words[at] not in verbs:
        at += 1
    return at + 1 if at < len(words) and words[at].strip("`'\"") in verbs else 0


def installed(words: Sequence[str]) -> Iterator[str]:
    """Yield the packages that commands such as `apt install` name, as they stand in `words`."""
    number = 0
    while number < len(words):
        start = _command(words, number)
        number += 1
        if not start:
            continue
        number = start
        while number < len(words):
            word = words[number]
            number += 1
            if word in _WITH_VALUE:
                number += 1
                continue
            if word.startswith("-"):
                continue
            name = _ARGUMENT.fullmatch(word.strip("`'\"()*,;:.!?")[:200])
            if name is None or word.lower().strip("`'\".,!?") in _ENDS:
                break
            yield name[1]
            if word[-1] in ",;`).!?&":
                break


_DEB = re.compile(
    r"([a-z0-9][a-z0-9+.-]{1,80})_(?:\d%3a|\d:)?([\w.+~:-]{1,60})_(?:amd64|arm64|i386|all|armhf)\.deb"
)
_WHEEL = re.compile(
    r"([A-Za-z0-9][\w.]{0,80})-(\d[\w.+!]{0,40})-[\w.]{1,40}-[\w.]{1,60}-[\w.]{1,80}\.whl"
)


def program_files(name: str) -> tuple[str, str] | None:
    """Return package and version of a package's file (`.deb`, `.whl`); `None` for others."""
    if not name.endswith((".deb", ".whl")) or len(name) > 256:
        return None
    match = _DEB.fullmatch(name) or _WHEEL.fullmatch(name)
    return (match[1], match[2]) if match else None
