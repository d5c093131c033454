"""What a message names: by example, against lines labelled by hand, and with hostile input."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.entities import (
    KINDS,
    EntitiesConfig,
    check_config,
    entities,
    find_entities,
)
from operations.placement import is_cheap

LABELLED = Path(__file__).parent / "entities" / "labelled.tsv"

EXAMPLES = [
    ("it broke in v1.2.3-rc1 (2.0 worked)", "versions", ["v1.2.3-rc1", "2.0"]),
    ("version 5 of Python 3.11", "versions", ["5", "3.11"]),
    ("nginx/1.18.0 and linux 2.6.24-19-generic", "versions", ["1.18.0", "2.6.24-19-generic"]),
    ("3.5 GB took 2.5s, about 1.5 hours; ping 192.168.0.1", "versions", ["3.5"]),
    ("kernel 2.6.37.1", "versions", ["2.6.37.1"]),
    ("KeyError: 'x', java.lang.NullPointerException", "errors", 2),
    ("open: ENOENT, error[E0382], TS2345", "errors", ["ENOENT", "error[E0382]", "TS2345"]),
    ("I get HTTP 404, then status 503", "errors", ["HTTP 404", "HTTP 503"]),
    ("exited with code 127", "errors", []),
    ("exit code 127, and error 0x80070005", "errors", ["exit code 127", "0x80070005"]),
    ("an Error, no Exception", "errors", []),
    ("see /etc/fstab and ~/.bashrc, ./run.sh:12", "paths", 3),
    (r"it is in C:\Users\x\file.txt or %APPDATA%\bot", "paths", 2),
    ("see xorg.conf, src/main.rs, .bashrc", "paths", ["xorg.conf", "src/main.rs", ".bashrc"]),
    ("/join #room and/or he/she", "paths", []),
    ("dd if=/dev/sda of=/dev/null", "paths", ["/dev/sda", "/dev/null"]),
    ("(see https://example.org/a_(b)). ok?", "links", ["https://example.org/a_(b)"]),
    ("[here](https://example.org/x)and www.example.com!", "links", 2),
    ("rust-lang.org/?gist=1, github.com", "links", ["rust-lang.org/?gist=1", "github.com"]),
    ("fixed in #12 and org/repo#7, GH-9", "issues", ["#12", "org/repo#7", "#9"]),
    ("bug 44384, pull request 8, T12345", "issues", ["#44384", "#8", "T12345"]),
    ("https://github.com/a/b/issues/12 CVE-2024-1234", "issues", ["a/b#12", "CVE-2024-1234"]),
    ("bugs.launchpad.net/bugs/1 is no 1", "issues", []),
    ("https://bugs.launchpad.net/ubuntu/+bug/12345", "issues", ["#12345"]),
    ("#1 on the list, UTF-8, #ubuntu", "issues", []),
    ("Ubuntu 12.04, windows XP; mac/linux, win10", "platforms", 5),
    ("on Mac OS X and arch linux (arm64)", "platforms", ["macOS", "Arch Linux", "arm64"]),
    ("sudo apt-get install -y foo libbar-dev, then", "packages", ["foo", "libbar-dev"]),
    ("`pip install 'numpy>=1.2' requests[socks]` fails", "packages", ["numpy", "requests"]),
    ("npm i @scope/pkg@1.0.0 && x", "packages", ["@scope/pkg"]),
    ("foo==1.2 broke; the crate nom is fine", "packages", ["foo", "nom"]),
    ("https://pypi.org/project/requests/2.1.0/", "packages", ["requests"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "expected"), EXAMPLES)
def test_a_text_names_things(text: str, kind: str, expected: list[str] | int) -> None:
    found = entities(text)[kind]
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_precision_and_recall_on_lines_labelled_by_hand_stay() -> None:
    right = said = wanted = 0
    for line in LABELLED.read_text().splitlines()[1:]:
        text, _, labels = line.partition("\t")
        named = dict(part.split("=", 1) for part in labels.split(";") if part)
        found = entities(text)
        for kind in KINDS:
            expected = set(named.get(kind, "").split("|")) - {""}
            right += len(expected & set(found[kind]))
            said += len(found[kind])
            wanted += len(expected)
    assert right / said >= 0.95
    assert right / wanted >= 0.95


async def test_the_operation_runs_on_the_primary_and_gives_typed_lists() -> None:
    assert is_cheap(find_entities.imp)
    async with find_entities.imp(EntitiesConfig()) as imp, imp(None, None) as context:
        outputs = await context.run({"text": "KeyError in 1.2.3"})
        nothing = await context.run({"text": "hello"})
    assert (outputs["any"], outputs["unversioned"]) == (True, False)
    assert (outputs["errors"], outputs["versions"]) == (["KeyError"], ["1.2.3"])
    assert nothing == {**{kind: [] for kind in KINDS}, "any": False, "unversioned": False}


def test_a_community_has_names_of_its_own() -> None:
    config = EntitiesConfig(packages=["DFFML"], platforms=["Armbian"], trackers=["BOT"])
    found = entities("BOT-12: dffml on armbian 23 (UTF-8)", config)
    assert (found["packages"], found["platforms"]) == (["DFFML"], ["Armbian 23"])
    assert found["issues"] == ["BOT-12"]
    assert entities("BOT-12: dffml on armbian")["issues"] == []


def test_names_that_can_never_be_found_are_refused() -> None:
    config = EntitiesConfig(packages=["two words"], trackers=["bot"])
    told = [(path, message) for path, message, _ in check_config(config)]
    assert [path for path, _ in told] == [("packages", 0), ("trackers", 0)]
    assert "one word" in told[0][1]


def test_no_more_than_fifty_of_a_kind_are_told() -> None:
    assert len(entities(" ".join(f"#{number}" for number in range(100, 900)))["issues"]) == 50


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    for kind, values in entities(text).items():
        assert kind in KINDS
        assert len(values) == len(set(values))
        assert all(value and len(value) <= 4096 for value in values)


PIECES = "a|1|.|/|-|#|1.|a/|ab-|~/|C:\\|://|www.|](|<|apt install ".split("|")  # noqa: SIM905
MORE = "a.|A1-|E1|x=/|Aa|Error.|1.1-|:1|[x|@a/".split("|")  # noqa: SIM905


@pytest.mark.parametrize("piece", PIECES + MORE)
@pytest.mark.parametrize("end", ["", "!", " x", "\\", "Error"])
def test_time_is_linear_in_hostile_words(piece: str, end: str) -> None:
    entities(piece * 10)
    for text in (
        piece * (32_000 // len(piece)) + end,
        (piece * (500 // len(piece)) + end + " ") * 60,
    ):
        start = time.process_time()
        entities(text)
        assert time.process_time() - start < 0.5  # measured: less than 0.05 s each


@given(st.lists(st.sampled_from(PIECES), max_size=200))
def test_drawn_pieces_take_no_longer(pieces: list[str]) -> None:
    start = time.process_time()
    entities("".join(pieces))
    assert time.process_time() - start < 0.25
