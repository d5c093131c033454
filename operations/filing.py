"""What a flow wants outside of chat: an entry in a tracker, a comment on one, JSON to an address.

The rule that it guards: these only say what is wanted. It is done by a listener (see
`chatbot.listeners.filing`), from what stands of the outcome; so a call that is run again, a test
and a replay post nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot.flowfile.template import Expression, Template, is_template
from operations.answer import unknown_fields
from operations.placement import cheap

DONE_FIELDS = ("link", "number")
"""What `reply` may name in braces: it is known when it was done."""

Problem = tuple[tuple[str | int, ...], str, str]


@dataclass(frozen=True)
class IssueConfig:
    """The listener `on` that opens it, and templates for the `title`, the `body` and the `labels`.

    `reply` is said when it was opened: a template in which {link} and {number} are filled in then;
    empty for nothing. `index` names the index of `find_duplicates` that the entry is noted in.
    """

    title: str
    on: str = "tracker"
    body: str = ""
    labels: list[str] = field(default_factory=list)
    reply: str = ""
    index: str = ""


_ACTION = {"action": Definition(name="action", primitive="map")}


@cheap
@op(name="open_github_issue", config_cls=IssueConfig, inputs={}, outputs=_ACTION)
class OpenIssue(OperationImplementationContext):
    """Have an entry opened in the tracker of a listener of the kind `github`, once.

    What people wrote is escaped in the body, which is Markdown, and nobody is called by it.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the action."""
        config: IssueConfig = self.config
        quiet = defused(inputs)
        labels = [_text(each, quiet) for each in config.labels]
        details = {
            "body": _text(config.body, quiet, markdown=True),
            "labels": [label for label in labels if label],
            "reply": _text(config.reply, inputs),
            "index": config.index,
        }
        return _action("issue", config.on, _text(config.title, quiet), details)


@dataclass(frozen=True)
class CommentConfig:
    """The listener `on` that has the entry, and a template for the `text`.

    `about` is an expression: the id of the message that the entry was opened for. `reply` is said
    when it is there, as that of `open_github_issue`.
    """

    about: str
    text: str
    on: str = "tracker"
    reply: str = ""


@cheap
@op(name="comment_on_github_issue", config_cls=CommentConfig, inputs={}, outputs=_ACTION)
class Comment(OperationImplementationContext):
    """Have something added to the entry that `open_github_issue` opened for an earlier message."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the action, if there is a message that it is about, and anything to add."""
        config: CommentConfig = self.config
        about = str(_expression(config.about).value(inputs) or "")
        text = _text(config.text, defused(inputs), markdown=True)
        if not about or not text:
            return None
        details = {"reply": _text(config.reply, inputs)}
        return _action("comment", config.on, text, details, to=about)


@dataclass(frozen=True)
class PostConfig:
    """The listener `on` that posts it, and the `body`: JSON whose texts are templates.

    A text that is an expression alone (`{{ things.versions }}`) becomes what that is, a list for
    one. `reply` is said when it was posted; its {link} is what the answer says (`html_url`,
    `link`, `url`, or the header Location).
    """

    body: Any
    on: str = "webhook"
    reply: str = ""


@cheap
@op(name="post_webhook", config_cls=PostConfig, inputs={}, outputs=_ACTION)
class PostWebhook(OperationImplementationContext):
    """Have JSON posted by a listener of the kind `webhook`, once as far as the receiver can tell.

    It gets the same id in `Idempotency-Key` however often it is tried.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the action."""
        config: PostConfig = self.config
        body = _filled(config.body, inputs)
        return _action("post", config.on, "", {"body": body, "reply": _text(config.reply, inputs)})


def defused(value: Any) -> Any:
    """Return what is to be filled in so that it calls nobody: a mention has the name behind its @.

    Lists and maps likewise. In an address it becomes %40, which leads to the same.
    """
    if isinstance(value, str):
        return _WORD.sub(_quiet, value) if "@" in value else value
    if isinstance(value, dict):
        return {name: defused(each) for name, each in value.items()}
    return [defused(each) for each in value] if isinstance(value, list | tuple) else value


_WORD = re.compile(r"\S*@\S*")
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9_])")


def _quiet(word: re.Match[str]) -> str:
    is_address = "://" in word[0]
    return word[0].replace("@", "%40") if is_address else _MENTION.sub("@\u200b", word[0])


def _action(kind: str, on: str, text: str, details: dict[str, Any], to: str = "") -> dict[str, Any]:
    return {"action": {"kind": kind, "on": on, "text": text, "to": to, "details": details}}


def _text(template: str, inputs: dict[str, Any], *, markdown: bool = False) -> str:
    return _template(template, markdown).render(inputs) if template else ""


def _filled(body: Any, inputs: dict[str, Any]) -> Any:
    if isinstance(body, str):
        return _expression(body).value(inputs) if is_template(body) else body
    if isinstance(body, dict):
        return {name: _filled(each, inputs) for name, each in body.items()}
    return [_filled(each, inputs) for each in body] if isinstance(body, list) else body


@lru_cache(maxsize=1024)
def _template(text: str, markdown: bool) -> Template:
    return Template(text, markdown=markdown)


@lru_cache(maxsize=1024)
def _expression(text: str) -> Expression:
    return Expression(text)


def _issue_templates(config: IssueConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from _named(config, "title", "body", "reply")
    for number, label in enumerate(config.labels):
        yield ("labels", number), label


def _comment_templates(config: CommentConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from _named(config, "about", "text", "reply")


def _post_templates(config: PostConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from _within(("body",), config.body)
    yield from _named(config, "reply")


def _named(config: Any, *names: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in names:
        if text := getattr(config, name):
            yield (name,), text


def _within(path: tuple[str | int, ...], body: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(body, str):
        yield path, body
    elif isinstance(body, dict | list):
        for key, each in body.items() if isinstance(body, dict) else enumerate(body):
            yield from _within((*path, key), each)


def check_config(config: Any) -> Iterator[Problem]:
    """Yield (path in the configuration, message, hint) for what is wrong."""
    if not config.on.strip():
        yield ("on",), "`on` is empty", "name the listener that does it"
    plain = _WITHOUT.sub("", config.reply)
    for message, hint in unknown_fields(plain, DONE_FIELDS, "the reply"):
        yield ("reply",), message, hint


_WITHOUT = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

for _operation, _templates in (
    (OpenIssue, _issue_templates),
    (Comment, _comment_templates),
    (PostWebhook, _post_templates),
):
    _operation.imp.templates = staticmethod(_templates)
    _operation.imp.check_config = staticmethod(check_config)
    _operation.imp.addressee = staticmethod(lambda config: config.on)
