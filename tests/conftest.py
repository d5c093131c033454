"""Fixtures for all tests; each server's are in a module of its own."""

import logging
import sys
from pathlib import Path

import pytest

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


@pytest.fixture(autouse=True)
def levels() -> None:
    """Have each test's logs at its own level, not at that of a command that ran here before."""
    for name in ("chatbot", "operations"):
        logging.getLogger(name).setLevel(logging.NOTSET)
