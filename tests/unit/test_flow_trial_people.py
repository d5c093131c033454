"""`chatbot flow test`: who says something, and what is shown of a test that fails."""

from __future__ import annotations

from pathlib import Path

from chatbot.commands.screen import Screen
from chatbot.commands.trials import Selection, collect, run
from chatbot.commands.verdicts import PASSED, Verdict, lines_of
from tests.unit.flowfiles import write

FLOW = """\
version: 1
listeners: {irc: {server: a.example, channels: ['#dev']}}
roles: {lead: [irc/anna]}
commands: {flow: [duty]}
schedules: {morning: {every: day at 9:00, in: 'irc/#dev'}}
state: {duty: {per: flow, type: string, start: nobody}}
operations:
  take:
    when: "{{ message.command == 'duty' and 'lead' in message.roles }}"
    reply: "{{ message.arguments }} is on duty"
  taken: {when: take.reply, set: {duty: message.arguments}}
  tell: {reply: "{{ schedule.morning.time }} {{ state.duty }}"}
outputs: {duty: state.duty, asked: message.command}
"""


async def verdicts(folder: Path, tests: str) -> list[Verdict]:
    write(folder, rota=FLOW)
    (folder / "rota.test.yaml").write_text(tests)
    chosen = Selection(paths=[str(folder / "rota.yaml")])
    return (await run(chosen, collect(chosen), Screen(quiet=True), lambda _: None)).verdicts


async def test_who_has_an_account_has_the_roles_that_the_flow_gives_it(tmp_path: Path) -> None:
    found = await verdicts(
        tmp_path,
        "defaults: {network: irc}\n"
        "tests:\n"
        "  - {said: '!duty ben', account: anna, reply: ben is on duty}\n"
        "  - {name: another, said: '!duty ben', account: ben, silence: true}\n"
        "  - {name: a nick, said: '!duty ben', by: anna, silence: true}\n"
        "  - {name: elsewhere, said: '!duty ben', account: anna, network: x, silence: true}\n"
        "  - {name: given, said: '!duty ben', account: ben, roles: [lead], reply: true}\n"
        "  - {name: taken, said: '!duty ben', account: anna, roles: [], silence: true}\n",
    )
    assert [each.status for each in found] == [PASSED] * 6


async def test_a_failure_shows_what_was_understood_and_what_was_due(tmp_path: Path) -> None:
    [found] = await verdicts(
        tmp_path,
        "tests:\n"
        "  - name: a day\n"
        "    conversation:\n"
        "      - {said: '!duty ben', reply: true, asked: why}\n"
        "      - {schedule: morning, reply: x}\n",
    )
    place, *shown = lines_of(found)
    assert place.endswith("rota.test.yaml:2:5: a day")
    assert shown == [
        "  line 4: !duty ben",
        "  asked:",
        "    - why",
        "    + duty",
        "  reply:",
        "    - a reply",
        "    + silence",
        "  understood: duty=nobody asked=duty",
        "  line 5: schedule morning",
        "  reply:",
        "    - x",
        "    + 09:00 nobody",
        "  understood: duty=nobody",
    ]
