"""Operations that learn while they run: what a node needs of them.

Such an operation has `labels_of` on its implementation's class (configuration → the labels that it
knows, without a model), perhaps `gives_several` (configuration → whether a text may have more than
one of them), and its instance a `pupil` for the node to teach. An operation that nobody
teaches (in DFFML's memory orchestrator) works with what its configuration gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from chatbot.learning import Lesson

Pairs = Mapping[tuple[str, str], int]
"""How often (label that runs, label of the shadow) was given; "" is one that is not sure."""


@runtime_checkable
class Pupil(Protocol):
    """An operation's instance that learns. All of it is called from the event loop.

    Neither of these may keep the operation's own work waiting: what takes time runs beside it.
    """

    @property
    def revision(self) -> str:
        """What it runs with."""

    async def study(self, lessons: Sequence[Lesson]) -> tuple[str, bytes]:
        """Learn its own examples with these; return the revision, and what `take` takes.

        What runs goes on as before. Raises `ChatbotError`.
        """

    async def take(self, head: bytes | None) -> None:
        """Run with this from the next batch on; `None`: with its own examples alone.

        Raises `ChatbotError` where it is of no use; then all is as before.
        """

    async def shadow(self, head: bytes | None) -> None:
        """Run this beside, from the next batch on, and count where it differs; `None`: nothing."""

    def compared(self) -> tuple[int, Pairs]:
        """Return how many texts the shadow has seen, and where the two differed."""


@runtime_checkable
class Trainable(Pupil, Protocol):
    """A pupil that thorough training (`chatbot train`) has made something for."""

    @property
    def place(self) -> str:
        """What its revisions are kept under: `chatbot.inference.revisions.key`."""

    @property
    def trained(self) -> str:
        """The revision that it learns on top of, empty for none."""

    async def prepare(self) -> None:
        """Learn on top of what is kept as current from now on, and run so from the next `take` on.

        Raises `ChatbotError`; then all is as before.
        """


def base_of(pupil: Pupil) -> str:
    """Return what a pupil learns on top of, empty for what its configuration gives it."""
    return pupil.trained if isinstance(pupil, Trainable) else ""


def pupil_of(implementation: object) -> Pupil | None:
    """Return whom to teach of an instantiated operation, `None` where it does not learn."""
    pupil = getattr(implementation, "pupil", None)
    return pupil if isinstance(pupil, Pupil) else None
