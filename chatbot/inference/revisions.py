"""What thorough training made: encoders with their heads and scores, in a folder, by revision.

    FOLDER/KEY/REVISION/    encoder/ (as `transformers` has one), head.safetensors, about.json
    FOLDER/KEY/current      the name of the revision in use

KEY stands for the labels and the encoder that training began with, so that whoever has the
same labels finds it, whatever the flow is called, and examples may be added meanwhile. A
revision's folder is complete once it is there, and never changed: whoever brings it to
another machine copies it and then writes `current`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chatbot.errors import UsageError
from chatbot.flowfile.problems import suggest
from chatbot.inference import registry
from chatbot.messages import digest

if TYPE_CHECKING:
    from chatbot.inference.head import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a revision: when it was made, of what, and how good it is.

    `estimate` is the accuracy on `held` examples that were held back (`low` to `high`: 95 %),
    `estimate_before` that of the quick training on the same ones. `seconds` are how many it
    took. `blend` is how far the encoder went from where it began (0: not at all). `share` is how
    many of the planned steps there was time for.
    """

    revision: str
    of: str
    """The fingerprint of the examples."""

    at: datetime
    encoder: str
    examples: int
    labels: int
    held: int
    estimate: float
    low: float
    high: float
    estimate_before: float
    blend: float
    seconds: float
    corrections: int = 0
    """How many of the examples people gave by correcting the bot."""

    choices: dict[str, float] = field(default_factory=dict)
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A revision in its folder."""

    about: About
    folder: Path

    @property
    def encoder(self) -> Path:
        """The encoder's folder; `Encoder.load` takes it."""
        return self.folder / "encoder"

    @property
    def head(self) -> Path:
        """The file of the head."""
        return self.folder / "head.safetensors"


def key(encoder: str, labels: Iterable[str], *, several: bool = False) -> str:
    """Return what the revisions for these labels and this encoder are kept under.

    An encoder that was fetched is named by its content: machines keep it in different folders.
    """
    return digest(registry.identity(encoder), f"{several}", *sorted(labels), length=32)


def is_tuned(encoder: Path) -> bool:
    """Whether the encoder in that folder is a revision's, and went anywhere in its training.

    To one that stayed where it began (blend 0), examples are no more familiar than to the plain.
    """
    kept = _kept(encoder.parent)
    return kept is not None and kept.encoder == encoder and kept.about.blend > 0


class Revisions:
    """The revisions of one key below `folder`. Reading makes nothing."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder / key

    def all(self) -> list[Kept]:
        """Return what is kept, the newest first; what cannot be read is left out."""
        names = [path.parent.name for path in self._folder.glob("*/about.json")]
        found = [_kept(self._folder / name) for name in names if not name.startswith(".")]
        kept = [each for each in found if each is not None]
        return sorted(kept, key=lambda each: each.about.at, reverse=True)

    def current(self) -> Kept | None:
        """Return the revision in use, `None` where there is none."""
        try:
            name = (self._folder / CURRENT).read_text("utf-8").strip()
        except OSError:
            return None
        return _kept(self._folder / name) if name else None

    def keep(self, about: About, head: Head, save_encoder: Callable[[Path], None]) -> Kept:
        """Keep a new revision, and use it from now on."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        work = Path(tempfile.mkdtemp(dir=self._folder, prefix=".making-"))
        try:
            save_encoder(work / "encoder")
            (work / "head.safetensors").write_bytes(head.dumps())
            (work / "about.json").write_bytes(msgspec.json.encode(about))
            place = self._folder / about.revision
            if place.exists():  # the same examples and settings: the same result
                shutil.rmtree(place)
            work.rename(place)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        self._point(about.revision)
        return Kept(about, place)

    def use(self, revision: str) -> Kept | None:
        """Use the revision whose name begins so from now on; `quick` means none of them.

        Raises `UsageError` if there is none, or more than one.
        """
        if revision == QUICK:
            self._point("")
            return None
        kept = self.all()
        found = [each for each in kept if each.about.revision.startswith(revision)]
        if len(found) != 1:
            names = [each.about.revision[:12] for each in kept]
            what = "several revisions begin with" if found else "there is no revision"
            raise UsageError(
                f"{what} {revision!r}", hint=suggest(revision, [*names, QUICK], what="revisions")
            )
        self._point(found[0].about.revision)
        return found[0]

    @property
    def folder(self) -> Path:
        """Where they are, each in a folder of its own."""
        return self._folder

    def chosen_after(self, instant: datetime) -> bool:
        """Whether it was chosen later here which of them to use, by this machine's clock."""
        try:
            return (self._folder / CURRENT).stat().st_mtime > instant.timestamp() + 0.001
        except OSError:
            return False

    def choose(self, revision: str, at: datetime) -> None:
        """Use a revision that is here, empty for none, as was chosen at that instant."""
        self._point(revision)
        os.utime(self._folder / CURRENT, (at.timestamp(), at.timestamp()))

    def _sweep(self) -> None:
        """Delete what a training, or a node that fetched one, left that was killed."""
        for path in self._folder.glob(".*"):
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)

    def _point(self, name: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False) as file:
            file.write(name)
        os.replace(file.name, self._folder / CURRENT)


def _kept(folder: Path) -> Kept | None:
    try:
        about = msgspec.json.decode((folder / "about.json").read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError):
        return None
    return Kept(about, folder)


CURRENT = "current"

ABANDONED = 86400.0
"""Seconds after which nobody works any more on a folder that is not complete."""

QUICK = "quick"
"""What stands for no revision: quick training with the encoder as it came."""


def now() -> datetime:
    """Return the instant, without fractions of a second."""
    return datetime.now(UTC).replace(microsecond=0)
