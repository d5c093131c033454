"""What completes a line that is typed at a terminal. The only module that completes for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document


class Asides(Completer):
    """Completes the names of `asides`, and behind `/due` those that `schedules` returns."""

    def __init__(
        self, asides: Mapping[str, tuple[str, str]], schedules: Callable[[], Iterable[str]]
    ) -> None:
        self._asides = asides
        self._schedules = schedules

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        typed = document.text_before_cursor
        if typed.startswith("/due "):
            word = typed.removeprefix("/due ").lstrip()
            for name in self._schedules():
                if name.startswith(word):
                    yield Completion(name, -len(word))
        elif typed.startswith("/"):
            for name, (arguments, what) in self._asides.items():
                if name.startswith(typed[1:]):
                    shown = f"/{name} {arguments}".strip()
                    yield Completion(f"/{name}", -len(typed), display=shown, display_meta=what)
