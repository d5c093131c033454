"""Replies from templates, and the values of expressions: what stands behind `reply` and {{ … }}."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot.flowfile.template import Expression, Template, faults, is_template, used
from operations.placement import cheap


@dataclass(frozen=True)
class ReplyConfig:
    """What to say: a template, or the one of `texts` that the value of `by` names.

    With `markdown` networks that have formatted text show it so. What it is filled with is
    escaped, for that and for the others. With `room` it is said in that room of the network
    instead; where that is empty, nowhere.
    """

    text: str = ""
    by: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    notice: bool = False
    markdown: bool = False
    room: str | None = None


@cheap
@op(
    name="reply",
    config_cls=ReplyConfig,
    inputs={},
    outputs={"reply": Definition(name="reply", primitive="map")},
)
class SayReply(OperationImplementationContext):
    """Say what a template says, filled with values by the names that it has for them.

    Nothing is said where it is empty.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the reply, if there is anything to say."""
        config: ReplyConfig = self.config
        text = config.text
        if config.by:
            text = config.texts.get(str(_expression(config.by).value(inputs)), text)
        said = _template(text, config.markdown).render(inputs)
        room = None if config.room is None else _template(config.room, False).render(inputs)
        if not said or room == "":
            return None
        reply: dict[str, Any] = {"text": said, "notice": config.notice, "markdown": config.markdown}
        if config.markdown:
            reply["plain"] = _template(text, False).render(inputs)
        if room:
            reply["room"] = room
        return {"reply": reply}


def templates(config: ReplyConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the templates of a configuration, each with its path."""
    for name in ("text", "by", "room"):
        if text := getattr(config, name):
            yield (name,), text
    for label, text in config.texts.items():
        yield ("texts", label), text


SayReply.imp.templates = staticmethod(templates)


def expects(config: ReplyConfig) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield (input, path, value) for each value of `by` that has a text of its own."""
    names = used(config.by) if is_template(config.by) and not faults(config.by) else []
    if len(names) == 1 and config.by.strip("{} ") == names[0].name:
        for value in config.texts:
            yield names[0].name, ("texts", value), value


SayReply.imp.expects = staticmethod(expects)


@dataclass(frozen=True)
class ExpressionConfig:
    """The expression, in Jinja's language: `{{ a.score > 0.5 }}`."""

    text: str


@cheap
@op(
    name="expression",
    config_cls=ExpressionConfig,
    inputs={},
    outputs={"value": Definition(name="expression.value", primitive="generic")},
)
class Evaluate(OperationImplementationContext):
    """Give the value of an expression of other values."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the value; of a text with expressions in it, the text."""
        return {"value": _expression(self.config.text).value(inputs)}


def _templates_of_expression(
    config: ExpressionConfig,
) -> Iterator[tuple[tuple[str, ...], str]]:
    yield ("text",), config.text


Evaluate.imp.templates = staticmethod(_templates_of_expression)


@lru_cache(maxsize=4096)
def _template(text: str, markdown: bool) -> Template:
    return Template(text, markdown=markdown)


@lru_cache(maxsize=4096)
def _expression(text: str) -> Expression:
    return Expression(text)
