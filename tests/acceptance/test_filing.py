"""A flow that wants something outside of chat, at a pipe: nothing is posted, and it is said."""

from __future__ import annotations

import json

from tests.servers.processes import Program

FLOW = """\
version: 1
name: filing
listeners:
  tracker: {kind: github, repository: org/project}
operations:
  open:
    run: open_github_issue
    config: {title: "{{ message.text }}", reply: "noted: {link}"}
"""


async def test_the_terminal_is_beside_what_only_does_things_and_shows_what_came_of_it(
    program: Program,
) -> None:
    (program.data / "filing.yaml").write_text(FLOW)
    code, out, err = await program.run("run", "filing.yaml", stdin="it crashes\n")
    assert code == 0, err
    assert "listens: console" in err
    assert "listens: tracker (org/project, dry run)" in err
    assert "bot: noted: (dry run: nothing was posted)" in out


async def test_a_script_is_given_the_action_with_its_line(program: Program) -> None:
    (program.data / "filing.yaml").write_text(FLOW)
    line = json.dumps({"text": "it crashes"})
    code, out, err = await program.run("run", "filing.yaml", "--jsonl", stdin=line)
    assert code == 0, err
    [action] = json.loads(out)["actions"]
    assert (action["kind"], action["on"], action["text"]) == ("issue", "tracker", "it crashes")


async def test_what_is_wrong_with_a_tracker_is_told_with_its_line(program: Program) -> None:
    (program.data / "filing.yaml").write_text(FLOW.replace("org/project", "project"))
    code, _, err = await program.run("flow", "check", "filing.yaml")
    assert code == 2
    assert "filing.yaml:4:39: `repository` must be OWNER/NAME" in err
