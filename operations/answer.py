"""What to say to a label: a text from the flow file."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dffml import Definition, OperationImplementationContext, op

from operations.placement import cheap

FIELDS = ("sender", "label")
"""What a template may name in braces."""


@dataclass(frozen=True)
class AnswerConfig:
    """The text for each label; `notice` says it as a notice where the network has them.

    A text may have `{sender}` and `{label}` in it; `{{` and `}}` stand for single braces.
    What is in `addressed_only` is answered only when the bot was spoken to: people who greet
    and thank each other do not want a third one to chime in.
    """

    answers: dict[str, str] = field(default_factory=dict)
    notice: bool = False
    addressed_only: list[str] = field(default_factory=list)


@cheap
@op(  # type: ignore[untyped-decorator]
    name="answer",
    config_cls=AnswerConfig,
    outputs={"reply": Definition(name="reply", primitive="map")},
)
def answer(  # type: ignore[no-untyped-def]
    self: OperationImplementationContext, label: str, sender: str, addressed: bool = True
):
    """Return the reply for `label`, nothing where the flow has no answer for it."""
    config: AnswerConfig = self.config
    template = config.answers.get(label)
    if not template or (label in config.addressed_only and not addressed):
        return None
    text = fill(template, sender=sender, label=label)
    return {"reply": {"text": text, "notice": config.notice}}


_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_UNCLOSED = re.compile(r"\{ *(\w+)")


def fill(template: str, **values: str) -> str:
    """Put `values` into `template`. Fields that are not in `values` stay as they are.

    Not `str.format`: that would let a template reach into attributes, and a nick with braces
    in it break the reply. What was put in is not looked at again.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return match[0][0] if name is None else values.get(name.strip(), match[0])

    return _BRACES.sub(replace, template)


def check_config(config: AnswerConfig) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for each unknown field of a template."""
    for label, template in config.answers.items():
        for message, hint in unknown_fields(template, FIELDS, f"the answer to {label!r}"):
            yield ("answers", label), message, hint
    for number, label in enumerate(config.addressed_only):
        if label not in config.answers:
            near = difflib.get_close_matches(label, config.answers, n=1)
            hint = f"did you mean {near[0]}?" if near else "see `answers` above"
            yield ("addressed_only", number), f"{label!r} has no answer", hint


def unknown_fields(template: str, fields: Sequence[str], what: str) -> Iterator[tuple[str, str]]:
    """Yield (message, hint) for each field of `template` that is none of `fields`."""
    for match in _BRACES.finditer(template):
        name = match[1]
        if name is not None and name.strip() not in fields:
            yield f"{what} has an unknown field {match[0]}", _hint(name.strip(), fields)
    for match in _UNCLOSED.finditer(_BRACES.sub("", template)):
        if match[1] in fields:
            yield f"{what} never closes its {{{match[1]}", f"write {{{match[1]}}}"


def _hint(name: str, fields: Sequence[str]) -> str:
    close = difflib.get_close_matches(name.lower(), fields, n=1)
    if close:
        return f"did you mean {{{close[0]}}}?"
    known = " and ".join(f"{{{known}}}" for known in fields)
    return f"there are {known}; write {{{{ and }}}} for braces as such"


answer.imp.check_config = staticmethod(check_config)


def expects(config: AnswerConfig) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """Yield (input, path in the configuration, value) for each label that is counted on."""
    for label in config.answers:
        yield "label", ("answers", label), label


answer.imp.expects = staticmethod(expects)
