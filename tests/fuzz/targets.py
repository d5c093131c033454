"""The one table of what is fuzzed: a decoder's name → a function that takes bytes."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import files, gitter, irc, wire, words

Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {
    **irc.TARGETS,
    **wire.TARGETS,
    **files.TARGETS,
    **words.TARGETS,
    **gitter.TARGETS,
}
