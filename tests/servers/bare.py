"""The program where only the extra `onnx` is installed: torch and its kin are not to be found.

python -m tests.servers.bare ARGUMENTS...    (such as: node run classify_text)
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

ABSENT = ("torch", "transformers", "sentence_transformers")

_find = PathFinder.find_spec


class _Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname: str, *where: Any) -> ModuleSpec | None:
        return None if fullname.partition(".")[0] in ABSENT else _find(fullname, *where)


def hide() -> None:
    """Have none of them found. (`sys.modules[…] = None` would break SciPy, which looks there.)"""
    PathFinder.find_spec = _Finder.find_spec  # type: ignore[method-assign]


if __name__ == "__main__":
    hide()
    from chatbot import cli

    cli.main()
