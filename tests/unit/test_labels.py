"""Labels of nodes, and what a flow may ask for."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.errors import UsageError
from chatbot.labels import Placement, checked, fits, of_this_machine, placement, together

LABELS = st.sets(st.sampled_from(["gpu", "gpu=a100", "size=large", "size=small", "host=db1"]))


@pytest.mark.parametrize(
    ("given", "meant", "shown"),
    [
        ("primary", Placement(primary=True), "primary"),
        ("nodes", Placement(), "nodes"),
        (["nodes"], Placement(), "nodes"),
        ("gpu", Placement(labels=("gpu",)), "gpu"),
        (["size=large", "gpu", "gpu"], Placement(labels=("gpu", "size=large")), "gpu, size=large"),
        ("host=DB-1.example.org", Placement(labels=("host=DB-1.example.org",)), None),
    ],
)
def test_a_placement_is_a_place_or_labels(given: object, meant: Placement, shown: str) -> None:
    found = placement(given)  # type: ignore[arg-type]
    assert found == meant
    assert str(found) == (shown or given)


@pytest.mark.parametrize("word", ["node", "Nodes", "nods", "primaries", "Primary", "pirmary"])
def test_a_mistyped_place_is_no_label(word: str) -> None:
    with pytest.raises(UsageError) as raised:
        checked(word)
    assert raised.value.hint in {"did you mean nodes?", "did you mean primary?"}


@pytest.mark.parametrize("label", ["node1", "node=1", "gpu", "size=large", "a.b_c-d", "large", "x"])
def test_any_other_word_may_be_a_label(label: str) -> None:
    assert checked(label) == label


@pytest.mark.parametrize("label", ["", "=", "a=", "=b", "a=b=c", "a b", "é", "-a", "*", "a" * 64])
def test_other_characters_are_refused(label: str) -> None:
    with pytest.raises(UsageError):
        checked(label)


def test_several_in_one_text_are_told_to_be_a_list() -> None:
    with pytest.raises(UsageError) as raised:
        placement("gpu, size=large")
    assert "[gpu, size=large]" in raised.value.hint


@pytest.mark.parametrize("given", [[], ["nodes", "gpu"], ["primary", "primary"]])
def test_a_place_stands_alone_and_labels_are_some(given: list[str]) -> None:
    with pytest.raises(UsageError):
        placement(given)


def test_a_name_has_one_value() -> None:
    assert together(["b", "a=1", "a=1"]) == ("a=1", "b")
    with pytest.raises(UsageError, match="size"):
        together(["size=large", "size=small"])


def test_a_machine_has_its_host_unless_another_is_given() -> None:
    (host,) = of_this_machine([])
    assert host == f"host={socket.gethostname()}"
    assert of_this_machine(["gpu"]) == ("gpu", host)
    assert of_this_machine(["host=db1"]) == ("host=db1",)


def test_a_hosts_name_becomes_a_label_whatever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, label in (("my host", "my-host"), ("", "unknown"), ("h" * 80, "h" * 63)):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        assert of_this_machine([]) == (f"host={label}",)
        assert checked(f"host={label}")


@given(LABELS, LABELS)
def test_a_node_fits_that_has_all(wanted: set[str], has: set[str]) -> None:
    by_name = {label.partition("=")[0] for label in has}
    missing = {w for w in wanted if w not in has and not (w == "gpu" and "gpu" in by_name)}
    assert fits(wanted, has) == (not missing)


def test_a_name_alone_fits_any_value_and_no_longer_name() -> None:
    assert fits(["gpu"], ["gpu=a100"])
    assert not fits(["gpu=a100"], ["gpu"])
    assert not fits(["gpu"], ["gpus", "no-gpu=1"])
