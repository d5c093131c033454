"""Values: DFFML's inputs, made cheaply, whose ancestors are found in linear time."""

from __future__ import annotations

import copy
import time
from typing import Any, NamedTuple

import pytest
from dffml import Definition, Input
from dffml.df.types import PrimitiveDoesNotMatchValue

from chatbot.orchestrator.values import Value, ancestors, convert

A = Definition(name="a", primitive="string")


def value(text: str, *parents: Input) -> Value:
    return Value(text, A, parents)


def test_a_value_reads_like_dffml_s_input() -> None:
    made, theirs = Value("v", A), Input(value="v", definition=A)
    assert isinstance(made, Input)
    for name in ("value", "definition", "origin", "validated"):
        assert getattr(made, name) == getattr(theirs, name)
    assert list(made.parents) == theirs.parents == []
    assert repr(made) == repr(theirs)
    assert made.export() == theirs.export()
    assert made.uid == made.uid
    assert made.uid != Value("v", A).uid
    assert made != Value("v", A)


def test_ancestors_come_once_each_and_nearest_first() -> None:
    root = value("root")
    left, right = value("left", root), value("right", root)
    child = value("child", left, right)
    assert [item.value for item in child.get_parents()] == ["left", "right", "root"]
    assert root.get_parents() == []
    assert ancestors([child, left]) == [child, left, right, root]
    assert ancestors([]) == []


def test_equal_values_are_ancestors_of_their_own() -> None:
    one, two = value("same"), value("same")
    assert value("child", one, two).get_parents() == [one, two]


def test_a_diamond_of_depth_thirty_answers_at_once() -> None:
    bottom = value("0")
    for level in range(30):
        bottom = value(str(level), value("l", bottom), value("r", bottom))
    before = time.process_time()
    assert len(bottom.get_parents()) == 90
    assert time.process_time() - before < 0.5


class Point(NamedTuple):
    x: int
    y: int = 0


def test_values_become_what_their_definition_says() -> None:
    assert convert({"x": 1}, A) == {"x": 1}
    point = Definition(name="point", primitive="map", spec=Point)
    assert convert({"x": 1}, point) == Point(1)
    assert type(convert({"x": 1}, point)) is Point
    points = Definition(name="points", primitive="array", spec=Point, subspec=True)
    assert convert([{"x": 1}, {"x": 2}], points) == [Point(1), Point(2)]
    loud = Definition(name="loud", primitive="string", validate=str.upper)
    assert convert("a", loud) == "A"


@pytest.mark.parametrize(
    ("primitive", "given", "made"),
    [
        ("array", [{"x": 1}, Point(2)], [Point(1), Point(2)]),
        ("map", {"a": {"x": 1}, "b": Point(2)}, {"a": Point(1), "b": Point(2)}),
    ],
)
def test_each_item_becomes_what_the_spec_says_and_the_callers_own_stays_as_it_is(
    primitive: str, given: Any, made: Any
) -> None:
    definition = Definition(name="points", primitive=primitive, spec=Point, subspec=True)
    before = copy.deepcopy(given)
    assert convert(given, definition) == made
    assert given == before


@pytest.mark.parametrize(("primitive", "given"), [("array", {"a": {}}), ("map", [{}]), ("x", [])])
def test_what_is_no_such_container_is_refused(primitive: str, given: Any) -> None:
    definition = Definition(name="points", primitive=primitive, spec=Point, subspec=True)
    with pytest.raises(PrimitiveDoesNotMatchValue):
        convert(given, definition)


def test_items_are_validated_when_they_have_become_what_the_spec_says() -> None:
    seen: list[Any] = []

    def validate(value: Any) -> Any:
        seen.append(value)
        return value

    definition = Definition(
        name="points", primitive="array", spec=Point, subspec=True, validate=validate
    )
    assert convert([{"x": 1}], definition) == [Point(1)]
    assert seen == [[Point(1)]]
