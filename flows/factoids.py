"""Factoids: `?docs` is answered with what the flow's configuration has under `docs`."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from chatbot import operation


class Fact(NamedTuple):
    """What is known under a name."""

    name: str
    fact: str


@dataclass
class Facts:
    """What the flow sets under `config`: of each instance its own."""

    facts: dict[str, str] = field(default_factory=dict)
    sign: str = "?"
    """What a question begins with."""

    def __post_init__(self) -> None:
        if not self.sign or self.sign[-1].isalnum() or " " in self.sign:
            raise ValueError(
                f"sign must end in no letter or digit, and have no blanks: {self.sign!r}"
            )


@operation(cheap=True)
def recall(text: str, config: Facts) -> Fact | None:
    """Recall what is known of `?NAME`; nothing where nothing is."""
    asked = re.fullmatch(re.escape(config.sign) + r"(\w[\w-]*)\s*", text.strip())
    name = asked[1].lower() if asked else ""
    return Fact(name, config.facts[name]) if name in config.facts else None
