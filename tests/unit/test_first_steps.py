"""What somebody who has read nothing but the README runs into on the first evening."""

from __future__ import annotations

from pathlib import Path

from tests.unit.test_cli import run

DIGEST = """\
version: 1
listeners: {irc: {server: "", channels: ["#dev"]}}
schedules: {digest: {every: day at 18:00, in: ["irc/#dev"]}}
operations:
  say: {reply: "{{ schedule.digest.date }}"}
  echo: {reply: "{{ message.text }}"}
"""


def test_a_flow_with_a_schedule_is_tested_with_what_people_say(tmp_path: Path) -> None:
    (tmp_path / "digest.yaml").write_text(DIGEST)
    (tmp_path / "digest.test.yaml").write_text("tests:\n  - {said: hi, reply: hi}\n")
    done = run(tmp_path, "flow", "test")
    assert done.returncode == 0, done.stdout
