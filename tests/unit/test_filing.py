"""What a flow wants outside of chat, as it is said: templates, what is wrong, who does it."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dffml import Input, MemoryOrchestrator

from chatbot.broker import subjects
from chatbot.flowfile.load import load
from chatbot.listeners.filing.http import address_problems, waiting
from chatbot.listeners.filing.orders import rate_problems
from chatbot.listeners.filing.settings import GithubSettings, WebhookSettings, key_of
from chatbot.listeners.filing.webhook import headers_of
from chatbot.messages import Action, ChatMessage, Outcome, answer_id, origin
from chatbot.orchestrator.decision import outcome_of
from operations.filing import defused
from tests.servers.processes import ROOT
from tests.unit.flowfiles import problems_of, write

HEAD = """\
version: 1
listeners:
  console:
  tracker: {kind: github, repository: org/project}
operations:
"""
ISSUE = """\
  open:
    run: open_github_issue
    config:
      title: "{{ message.text }}"
      body: "* {{ message.text }} of {{ message.name }}"
      labels: [bug, "{{ message.network }}", "{{ message.thread }}"]
      reply: "{{ message.name }}: {link}"
"""


PAGE = (ROOT / "docs" / "triage.md").read_text()
BLOCKS = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("name", "text"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_the_flows_on_the_page_are_right(tmp_path: Path, name: str, text: str) -> None:
    for path in (ROOT / "flows").glob("triage*.yaml"):
        shutil.copy(path, tmp_path)
    (tmp_path / name).write_text(text)
    told = {"GITHUB_TOKEN": "t0ken", "WEBHOOK_URL": "https://example.org/hook"}
    flow = load(tmp_path / name, environment=told.get)
    assert all(each.on for each in flow.listeners.values() if each.kind not in ("irc", "matrix"))


async def decided(path: Path, **message: Any) -> dict[str, Any]:
    flow = load(path).dataflow
    inputs = [Input(value, flow.definitions[f"message.{name}"]) for name, value in message.items()]
    async with MemoryOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(flow) as octx:
            async for _, results in octx.run({"context": inputs}):
                given: dict[str, Any] = results
    return given


async def test_an_entry_is_filled_in_and_calls_nobody(tmp_path: Path) -> None:
    said = {"text": "@bob: *it* <b>crashes</b>", "name": "anna", "network": "irc", "thread": ""}
    results = await decided(write(tmp_path, flow=HEAD + ISSUE), **said)
    [action] = results["actions"]
    assert (action["kind"], action["on"]) == ("issue", "tracker")
    assert action["text"] == "@\u200bbob: *it* <b>crashes</b>"
    body = "* \\@\u200bbob: \\*it\\* \\<b\\>crashes\\</b\\> of anna"
    assert action["details"]["body"] == body
    assert action["details"]["labels"] == ["bug", "irc"]
    assert action["details"]["reply"] == "anna: {link}"


async def test_a_post_has_values_where_an_expression_stands_alone(tmp_path: Path) -> None:
    flow = """\
version: 1
listeners: {console: , webhook: {}}
operations:
  things: {run: find_entities, inputs: {text: message.text}}
  send:
    run: post_webhook
    config:
      body: {text: "said: {{ message.text }}", found: "{{ things.versions }}", n: [1, plain]}
"""
    results = await decided(write(tmp_path, flow=flow), text="v2.1")
    [action] = results["actions"]
    assert action["details"]["body"] == {"text": "said: v2.1", "found": ["v2.1"], "n": [1, "plain"]}


async def test_nothing_is_added_where_there_is_nothing_to_add_to(tmp_path: Path) -> None:
    comment = '  add: {run: comment_on_github_issue, config: {about: "{{ message.reply_to }}", '
    path = write(tmp_path, flow=HEAD + comment + 'text: "{{ message.text }}"}}\n')
    assert (await decided(path, text="more", reply_to=""))["actions"] == []
    [action] = (await decided(path, text="more", reply_to="7"))["actions"]
    assert (action["kind"], action["to"], action["text"]) == ("comment", "7", "more")


def test_a_listener_that_is_not_there_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = write(tmp_path, flow=HEAD + ISSUE + "      on: traker\n")
    [problem] = problems_of(path)
    assert problem.line == 13
    assert problem.message == "`open` wants something of `traker`, which is no listener"
    assert problem.hint == "did you mean tracker?"


def test_who_is_answered_means_nothing_to_what_nobody_talks_to(tmp_path: Path) -> None:
    path = write(tmp_path, flow=HEAD.replace("project}", "project, only: addressed}") + ISSUE)
    [problem] = problems_of(path)
    assert problem.message == "`only` means nothing to `tracker`: nobody talks to it"


def test_what_is_only_known_afterwards_is_checked_too(tmp_path: Path) -> None:
    path = write(tmp_path, flow=HEAD + ISSUE.replace("{link}", "{lnk}"))
    [problem] = problems_of(path)
    assert "unknown field {lnk}" in problem.message
    assert problem.hint == "did you mean {link}?"


def test_templates_are_checked_wherever_they_stand(tmp_path: Path) -> None:
    path = write(tmp_path, flow=HEAD + ISSUE.replace("message.network", "message.netwrk"))
    [problem] = problems_of(path)
    assert "netwrk" in problem.message


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"repository": "project"}, "repository"),
        ({"dry_run": False, "token": "t"}, "repository"),
        ({"dry_run": False, "repository": "a/b"}, "token"),
        ({"api": "http://tracker.example.org"}, "api"),
        ({"api": "https://me:secret@example.org"}, "api"),
        ({"forge": "gitlab"}, "forge"),
        ({"limit": "often"}, "limit"),
    ],
)
def test_what_is_wrong_with_a_tracker_is_told(settings: dict[str, Any], key: str) -> None:
    problems = GithubSettings(**settings).problems()
    assert [name for name, _ in problems] == [key]
    assert "secret" not in problems[0][1]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"dry_run": False}, "url"),
        ({"url": "example.org/hook"}, "url"),
        ({"secret": "whsec_no base64!"}, "secret"),
        ({"timeout": 0.0}, "timeout"),
        ({"total": "1 in never"}, "total"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_told(settings: dict[str, Any], key: str) -> None:
    assert [name for name, _ in WebhookSettings(**settings).problems()] == [key]


def test_secrets_are_in_no_repr() -> None:
    assert "s3cret" not in repr(GithubSettings(token="s3cret"))
    assert "s3cret" not in repr(WebhookSettings(url="https://s3cret", secret="s3cret"))


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of its specification, of which the secret and the result are known."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    name, now = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.0
    heads = headers_of(name, b'{"test": 2432232314}', key, now)
    assert heads["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert heads["Idempotency-Key"] == f'"{name}"'


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "999999"}, 3600.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:50 GMT"}, 10.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "130"}, 30.0),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "130"}, 60.0),
        ({"retry-after": "soon"}, 60.0),
        ({}, 60.0),
    ],
)
def test_a_limit_says_for_how_long_it_is(headers: dict[str, str], seconds: float) -> None:
    assert waiting(headers, now=100.0) == seconds


def test_addresses_and_rates_that_are_right_are_taken() -> None:
    assert address_problems("api", "https://example.org/api/v3") == []
    assert address_problems("api", "http://127.0.0.1:8080") == []
    assert rate_problems(limit="off", total="", other="5 in 1h") == []


def test_a_mention_loses_its_name_also_within_lists() -> None:
    assert defused({"a": ["(@bob", 1], "b": "mail@example.org @ noon @@ann"}) == {
        "a": ["(@\u200bbob", 1],
        "b": "mail@example.org @ noon @@\u200bann",
    }
    assert defused("https://example.org/@bob @bob") == "https://example.org/%40bob @\u200bbob"


def test_the_message_of_an_answer_is_known() -> None:
    assert origin(answer_id("$event:server", "tracker", 1)) == "$event:server"
    assert origin(answer_id("irc/1~retry-2", "tracker")) == "irc/1"
    own = subjects.out_subject("flow", "irc", "1")
    assert subjects.out_parts("flow", "1").replace("*", "irc") == own


def test_an_outcome_without_a_source_is_as_it_was() -> None:
    assert b"source" not in Outcome("1", "irc", "#r", "anna").encode()


OWN = """\
from chatbot import Action, operation


@operation
def tell(text: str) -> Action:
    \"\"\"Have it posted.\"\"\"
    return Action("post", on=text, details={"body": {"n": [1]}})
"""


async def test_an_operation_of_ones_own_may_want_it_too(tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(OWN)
    tell = "  tell: {run: tell.py:tell, inputs: {text: message.text}}\n"
    [given] = (await decided(write(tmp_path, flow=HEAD + tell), text="webhook"))["actions"]
    message = ChatMessage("1", "irc", "#r", "anna", "", datetime.now(UTC))
    [action] = outcome_of(message, {"actions": [given]}).actions
    assert action == Action("post", on="webhook", details={"body": {"n": [1]}})
    with pytest.raises(ValueError, match="`post` does not say `on` which listener"):
        outcome_of(message, {"actions": [{**given, "on": ""}]})
