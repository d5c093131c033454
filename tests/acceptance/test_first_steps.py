"""What somebody who has read nothing but the README runs into on the first evening."""

from __future__ import annotations

from tests.servers.processes import Program

SHOUT = """
from chatbot import Reply, operation

@operation
def shout(text: str) -> Reply:
    return Reply(text.upper())
"""
LOUD = """
version: 1
operations:
  clean: {run: clean_text, inputs: {text: message.text, nick: message.nick}}
  shout: {run: operations.py, inputs: {text: clean.text}}
"""


async def test_a_file_beside_the_flow_may_be_called_like_a_module_of_ours(program: Program) -> None:
    (program.data / "operations.py").write_text(SHOUT)
    (program.data / "loud.yaml").write_text(LOUD)
    code, out, err = await program.run("run", "loud.yaml", stdin="hi\n")
    assert (code, "bot: HI" in out) == (0, True), err
