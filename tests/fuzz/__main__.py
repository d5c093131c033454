"""Fuzz every decoder for a while: `make fuzz MINUTES=n`, or

    python -m tests.fuzz --minutes 10 [--only flow_file,wire_Work] [--keep FOLDER]

The time is shared by the targets. With atheris it is led by coverage, and what it has learnt is
kept in a folder between runs; where atheris is not installed (it has wheels for some versions of
Python only), hypothesis draws inputs at random. Exits with 1 where it found something, and says
where the input lies: mend the program, then move the input, made small, to `corpus/<target>/`.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.cases import CORPUS, SEEDS, TOKENS, inputs
from tests.fuzz.limits import held
from tests.fuzz.targets import TARGETS

LENGTH = 4096
"""Bytes of an input, at most, while searching; the corpus has longer ones."""

HANGS = 20
"""Seconds after which libFuzzer takes a run for endless."""


@dataclass(frozen=True, slots=True)
class Search:
    """What became of one target's: how often it ran, and the inputs that are findings."""

    executions: int
    seconds: float
    findings: list[Path]


def main() -> int:
    arguments = _arguments()
    guided = importlib.util.find_spec("atheris") is not None
    engine = "atheris" if guided else "hypothesis alone: atheris is not installed here"
    print(f"{len(arguments.only)} targets, {arguments.minutes:g} minutes in all, {engine}")
    seconds = 60 * arguments.minutes / len(arguments.only)
    search = _guided if guided else _drawn
    found: list[Path] = []
    for name in arguments.only:
        done = search(name, seconds, arguments.keep)
        found += done.findings
        print(f"{name:22}{done.executions:>12,} executions {done.seconds:>7.0f} s", flush=True)
        for path in done.findings:
            print(f"  found something: {path}", flush=True)
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description="fuzz every decoder")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together")
    parser.add_argument("--only", type=_names, default=list(TARGETS), help="targets, by commas")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="inputs between runs")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in TARGETS:
            raise argparse.ArgumentTypeError(f"no target {name}; there are {', '.join(TARGETS)}")
    return names


def _guided(name: str, seconds: float, keep: Path) -> Search:
    """Run atheris until the time is up: again after each finding, which ends its process."""
    learnt, findings = keep / name / "inputs", keep / name / "findings"
    learnt.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    for number, given_input in enumerate(SEEDS[name]):
        (learnt / f"seed-{number}").write_bytes(given_input)
    dictionary = keep / "tokens"
    dictionary.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS))
    before, executions = set(findings.iterdir()), 0
    begun = time.monotonic()
    while (left := int(seconds - (time.monotonic() - begun))) > 0:
        options = [
            f"-max_total_time={left}",
            f"-artifact_prefix={findings}/",
            f"-dict={dictionary}",
            *(f"-max_len={LENGTH}", f"-timeout={HANGS}", "-rss_limit_mb=2048"),
            *("-print_final_stats=1", "-verbosity=0"),
            str(learnt),
            *(str(folder) for folder in [CORPUS / name] if folder.is_dir()),
        ]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.engine", name, *options],
            capture_output=True,
            check=False,
        )
        told = ran.stderr.decode(errors="replace")
        counted = re.search(r"number_of_executed_units:\s*(\d+)", told)
        executions += int(counted[1]) if counted else 0
        if ran.returncode == 0:
            break
        (findings / "last.txt").write_text(ran.stdout.decode(errors="replace") + told)
        if not set(findings.glob("*-*")) - before:
            raise SystemExit(f"atheris failed on {name}:\n{told[-2000:]}")
    new = sorted(set(findings.glob("*-*")) - before)
    return Search(executions, time.monotonic() - begun, new)


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token[:64])


def _drawn(name: str, seconds: float, keep: Path) -> Search:
    """Draw inputs with hypothesis until the time is up, or one is a finding."""
    findings = keep / name / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    executions = 0
    last = b""

    @settings(
        max_examples=1000,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(name))
    def run(data: bytes) -> None:
        nonlocal executions, last
        executions += 1
        last = data
        held(TARGETS[name], data)

    while time.monotonic() < begun + seconds:
        try:
            seed(time.time_ns())(run)()
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            traceback.print_exc()
            path = findings / f"drawn-{time.time_ns()}"
            path.write_bytes(last)
            return Search(executions, time.monotonic() - begun, [path])
    return Search(executions, time.monotonic() - begun, [])


if __name__ == "__main__":
    sys.exit(main())
