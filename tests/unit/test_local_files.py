"""Operations in a Python file beside a flow: what the flow file makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.authoring.local import LocalError, file_named, load_file, plain_name
from chatbot.errors import OperationError
from chatbot.flowfile.load import load
from chatbot.nodes.local import LocalOperations
from tests.unit.flowfiles import problems_of, run, write

SHOUT = """
from dataclasses import dataclass
from chatbot import Reply, operation

@dataclass
class Loudness:
    marks: int = 1

def quiet(text: str) -> str:
    return text

@operation
def shout(text: str, config: Loudness) -> Reply:
    return Reply(text.upper() + "!" * config.marks)
"""
FLOW = """
version: 1
operations:
  loud: {run: ./shout.py:shout, inputs: {text: message.text}, config: {marks: 2}}
"""


def flow(folder: Path, code: str = SHOUT, text: str = FLOW) -> Path:
    (folder / "shout.py").write_text(code)
    return write(folder, loud=text)


async def test_a_flow_runs_a_function_of_a_file_beside_it(tmp_path: Path) -> None:
    loaded = load(flow(tmp_path))
    outcome = await run(loaded.dataflow, text="hello")
    assert outcome["replies"] == [{"text": "HELLO!!"}]
    assert tmp_path / "shout.py" in loaded.sources


async def test_dffmls_own_decorator_works_there_too(tmp_path: Path) -> None:
    code = "from dffml import op\n@op\ndef twice(text: str) -> str:\n    return text * 2\n"
    text = """
version: 1
operations: {twice: {run: shout.py, inputs: {text: message.text}}}
outputs: {text: twice.result}
"""
    loaded = load(flow(tmp_path, code, text))
    assert (await run(loaded.dataflow, text="ab"))["understood"] == {"text": "abab"}


def test_what_the_file_holds_is_part_of_the_revision(tmp_path: Path) -> None:
    first = load(flow(tmp_path)).revision
    assert load(flow(tmp_path)).revision == first
    assert load(flow(tmp_path, SHOUT.replace('"!"', '"?"'))).revision != first


def test_a_file_is_loaded_once_for_each_content(tmp_path: Path) -> None:
    path = tmp_path / "count.py"
    path.write_text("import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\n")
    load_file(path)
    load_file(path)
    import sys

    assert sys.loads == 1  # type: ignore[attr-defined]
    del sys.loads  # type: ignore[attr-defined]


def test_all_that_is_wrong_with_the_file_is_told_with_its_lines(tmp_path: Path) -> None:
    code = (
        "from chatbot import operation\n"
        "@operation\ndef shout(text) -> str: return text\n"
        "@operation\ndef other(text: str): return text\n"
    )
    found = problems_of(flow(tmp_path, code))
    told = [(Path(each.file).name, each.line, each.column) for each in found]
    assert told == [("shout.py", 3, 11), ("shout.py", 5, 1)]


@pytest.mark.parametrize(
    ("code", "line", "message", "hint"),
    [
        ("def (", 1, "is not Python: invalid syntax", ""),
        ("x = 1\n1 / 0", 2, "cannot be loaded: ZeroDivisionError: division by zero", ""),
        ("\0", 1, "is not Python: source code string cannot contain null bytes", ""),
        ("import sys\nsys.exit(3)", 2, "cannot be loaded: SystemExit: 3", ""),
        (
            "import nowhere_at_all",
            1,
            "cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at_all'",
            "install what has nowhere_at_all, on the nodes that run it, too",
        ),
        (
            "import helper",
            1,
            "cannot be loaded: ModuleNotFoundError: No module named 'helper'",
            "a local file stands alone: put what it needs into it, or install it as a package",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(
    tmp_path: Path, code: str, line: int, message: str, hint: str
) -> None:
    (tmp_path / "helper.py").touch()
    [found] = problems_of(flow(tmp_path, code))
    assert (found.line, found.message, found.hint) == (line, message, hint)


@pytest.mark.parametrize(
    ("run", "message", "hint"),
    [
        ("shuot.py:shout", "there is no file", "did you mean shout.py?"),
        ("shout.py:shuot", "shout.py has no operation `shuot`", "did you mean shout?"),
        (
            "shout.py:quiet",
            "shout.py has `quiet`, which is a function and no operation",
            "put `@operation` above it",
        ),
        ("shout.py:Loudness", "shout.py has no operation `Loudness`", "there are: shout"),
    ],
)
def test_what_is_not_there_is_told_where_the_flow_names_it(
    tmp_path: Path, run: str, message: str, hint: str
) -> None:
    [found] = problems_of(flow(tmp_path, text=FLOW.replace("shout.py:shout", run)))
    assert (found.line, found.message.startswith(message), found.hint) == (4, True, hint)


def test_the_only_operation_need_not_be_named(tmp_path: Path) -> None:
    assert problems_of(flow(tmp_path, text=FLOW.replace("shout.py:shout", "shout.py"))) == []
    two = SHOUT + "\n@operation\ndef whisper(text: str) -> str: ...\n"
    [found] = problems_of(flow(tmp_path, two, FLOW.replace("shout.py:shout", "shout.py")))
    assert found.message == "shout.py has several operations: name one, as shout.py:shout"
    assert found.hint == "there are shout, whisper"


def test_configuration_and_inputs_are_checked_as_those_of_packages(tmp_path: Path) -> None:
    wrong = FLOW.replace("marks: 2", "marsk: 2").replace("text: message", "txt: message")
    found = [each.message for each in problems_of(flow(tmp_path, text=wrong))]
    assert "`loud` has no input `txt`" in found
    assert "the configuration of `./shout.py:shout` has no key `marsk`" in found


def test_two_files_of_one_name_are_two_operations(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "shout.py").write_text(SHOUT.replace('"!"', '"?"'))
    text = FLOW + "  other: {run: a/shout.py:shout, inputs: {text: message.text}}\n"
    loaded = load(flow(tmp_path, text=text))
    names = [each.name for each in loaded.dataflow.operations.values()]
    assert len(set(names)) == len(names) == 3
    assert {plain_name(name) for name in names} == {"shout.py:shout", "collect_outcome"}


def test_a_file_is_called_as_the_flow_names_it_though_it_is_a_link(tmp_path: Path) -> None:
    path = flow(tmp_path)
    (tmp_path / "shout.py").rename(tmp_path / "version-7.py")
    (tmp_path / "shout.py").symlink_to("version-7.py")
    loaded = load(path)
    names = [plain_name(each.name) for each in loaded.dataflow.operations.values()]
    assert "shout.py:shout" in names
    assert tmp_path / "shout.py" in loaded.sources


def test_a_node_has_what_its_files_hold_and_loads_a_changed_one_anew(tmp_path: Path) -> None:
    path = tmp_path / "shout.py"
    path.write_text(SHOUT)
    local = LocalOperations([path])
    [first] = local.names
    assert (file_named(first), plain_name(first)) == ("shout.py", "shout.py:shout")
    path.write_text(SHOUT.replace('"!"', '"?"'))
    second = load_file(path).called("shout")
    assert local.has(second)
    assert local.find(second).local.digest == second.rpartition("@")[2]
    assert local.has(first)  # what has begun ends
    assert local.names == sorted([first, second])


def test_a_node_says_why_it_does_not_have_an_operation(tmp_path: Path) -> None:
    path = tmp_path / "shout.py"
    path.write_text(SHOUT)
    local = LocalOperations([path])
    newer = "shout.py:shout@0123456789ab"
    assert not local.has(newer)
    assert not local.has("other.py:shout@0123456789ab")
    assert local.lack(newer).startswith("the flow's shout.py is 0123456789ab, and ")
    assert "start one with: --operations other.py" in local.lack("other.py:shout@0123456789ab")
    with pytest.raises(OperationError, match="bring the same file here"):
        local.find(newer)


def test_a_node_is_not_started_with_files_that_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1 / 0")
    (tmp_path / "b.py").write_text("x = 1")
    with pytest.raises(OperationError) as raised:
        LocalOperations([tmp_path / "a.py", tmp_path / "b.py"])
    assert f"{tmp_path}/a.py:1:1: cannot be loaded" in raised.value.message
    assert f"{tmp_path}/b.py has no operations" in raised.value.message


def test_only_what_was_decorated_there_is_an_operation(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "from operations.text import clean_text\ndef plain(text: str) -> str: return text\n"
    )
    file = load_file(path)
    assert file.operations == {}
    path.write_text("#" * 2_000_000)
    with pytest.raises(LocalError, match="is too large"):
        load_file(path)
