"""The one table of what is fuzzed: a decoder's name → a function that takes bytes."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import files, gitter, irc, matrix, wire, words

Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {
    **irc.TARGETS,
    **matrix.TARGETS,
    **gitter.TARGETS,
    **wire.TARGETS,
    **files.TARGETS,
    **words.TARGETS,
}
