"""`make bench`: the figures that are asked for, each beside what it is compared with."""

import sys
from pathlib import Path

# The operations that nodes run here are those of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "plugin"))
