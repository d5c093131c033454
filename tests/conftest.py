"""Fixtures for all tests; each server's are in a module of its own."""

import sys
from pathlib import Path

# Operations that tests install beside the project's own.
sys.path.append(str(Path(__file__).parent / "plugin"))

pytest_plugins = [
    "tests.models",
    "tests.servers.irc",
    "tests.servers.inspircd",
    "tests.servers.synapse",
    "tests.servers.matrix",
    "tests.servers.nats",
    "tests.servers.processes",
]
