"""What a bot without Matrix does not pay for."""

from __future__ import annotations

import subprocess
import sys

CHECK = """
import sys
import chatbot.listeners.matrix as matrix
matrix.MatrixListener("net", matrix.MatrixSettings(user="@bot:example.org", token="x")).describe()
assert not {"nio", "vodozemac", "markdown_it"} & set(sys.modules)
"""


def test_the_libraries_load_only_when_the_listener_runs() -> None:
    subprocess.run([sys.executable, "-c", CHECK], check=True, timeout=60)
