"""What of a flow ran while messages went through it: its instances, and their conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chatbot.flowfile.flow import Flow, dataflows
from chatbot.flowfile.naming import in_any_room


@dataclass(slots=True)
class Coverage:
    """Which instances ran, by their paths, and which conditions held and did not.

    An instance with a condition that did not run for a message counts as one whose condition
    did not hold then. What is configured otherwise in some rooms is one, whichever of it ran.
    """

    instances: tuple[str, ...]
    conditional: tuple[str, ...]
    ran: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    """Conditional instances that a message passed by."""

    def count(self, ran: set[str]) -> None:
        """Count what ran for one message."""
        told = {in_any_room(path) for path in ran}
        self.ran |= told
        self.passed |= {path for path in self.conditional if path not in told}

    @property
    def missing(self) -> list[str]:
        """Return the instances that never ran."""
        return [path for path in self.instances if path not in self.ran]

    @property
    def half(self) -> list[str]:
        """Return the conditional instances that ran for each message: never was it false."""
        return [path for path in self.conditional if path in self.ran - self.passed]

    def plain(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        whole = [p for p in self.conditional if p in self.ran and p in self.passed]
        return {
            "operations": {
                "run": len(self.instances) - len(self.missing),
                "all": len(self.instances),
                "missing": self.missing,
            },
            "conditions": {
                "both": len(whole),
                "all": len(self.conditional),
                "always": self.half,
                "never": [p for p in self.conditional if p not in self.ran],
            },
        }


def coverage_of(flow: Flow) -> Coverage:
    """Return the coverage of a flow of which nothing ran yet."""
    conditional = [
        f"{path}/{name}" if path else name
        for path, dataflow in dataflows(flow)
        for name, each in dataflow.flow.items()
        if each.conditions
    ]
    known = tuple(path for path in flow.instances if "~" not in path)  # no expressions
    return Coverage(known, tuple(path for path in known if path in conditional))
