"""`make soak`: see tests/soak. The seed is printed; with `--seed` the same happens again.

make soak                       two minutes, of a seed that is drawn
make soak MINUTES=60 RATE=50    longer; messages a second
make soak SEED=4711             what that seed did
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from chatbot import service
from tests.servers.processes import ROOT
from tests.soak.run import Soak, soak

LOG = ROOT / "flows" / "logs" / "ubuntu-2012-02-03.txt"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn")
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second")
    parser.add_argument("--log", type=Path, default=LOG, help="what people say, again and again")
    return parser.parse_args()


async def main() -> int:
    given = options()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    console = Console(highlight=False)
    console.print(f"seed {seed}: again with make soak MINUTES={given.minutes:g} SEED={seed}")
    plan = Soak(seed=seed, seconds=60 * given.minutes, rate=given.rate, log=given.log)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        done = await soak(plan, Path(folder), console.print)
    console.print(done)
    return 0


if __name__ == "__main__":
    sys.exit(service.run(main))
