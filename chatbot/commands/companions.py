"""Files that lie beside a flow, and are none: its tests, and examples for its labels.

They are checked like flows, so that `flow check *.yaml` is about whatever is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatbot.errors import FlowError
from chatbot.flowfile.document import read
from chatbot.flowfile.keys import names
from chatbot.flowfile.problems import Report
from chatbot.flowfile.trial import is_trial


def checked(path: Path, overrides: Sequence[str]) -> str | None:
    """Return what there is in a file of tests or examples, in words; `None` for another file.

    Raises `FlowError` with all that is wrong with it.
    """
    if not path.is_file():
        return None
    if is_trial(path):
        return _tests(path, overrides)
    return _examples(path) if _has_lists_only(path) else None


def _tests(path: Path, overrides: Sequence[str]) -> str:
    from chatbot.commands.trials import with_its_flow

    _, file = with_its_flow(path, overrides)
    return "1 test" if len(file.trials) == 1 else f"{len(file.trials)} tests"


def _examples(path: Path) -> str:
    from chatbot.inference.examples import check_examples

    examples, problems = check_examples(path, several=True)  # the flow says whether it may be
    if problems:
        raise FlowError(problems)
    return f"examples of {len(examples)} labels"


def _has_lists_only(path: Path) -> bool:
    """Whether a file has a list under each of its keys, none of which is a flow's."""
    tree = read(path, Report())
    if tree is None or not isinstance(tree.value, dict):
        return False
    known = {*names("flow"), *names("subflow"), "version"}
    return not known & tree.value.keys() and all(
        isinstance(each.value, list) for each in tree.value.values()
    )
