"""Atheris on one target, as a process of its own: libFuzzer ends the process at a finding.

python -m tests.fuzz.engine TARGET [libFuzzer's options] [folders of inputs]
"""

from __future__ import annotations

import sys

import atheris

PACKAGES = ["chatbot", "operations", "ruamel", "irc"]
"""What is instrumented: the program, and what it decodes with."""

with atheris.instrument_imports(include=PACKAGES):
    from tests.fuzz.limits import held
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer's own options end it; a finding lies where `-artifact_prefix` says."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda data: held(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
