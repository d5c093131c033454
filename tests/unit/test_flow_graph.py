"""`chatbot flow show`: a flow as a graph, in all forms."""

from __future__ import annotations

import re
import shutil
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chatbot.commands import drawing
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.graph import Graph, graph_of, joined
from chatbot.flowfile.labelling import labels_of
from chatbot.flowfile.layout import Box, Layout, Point, between, layout_of
from chatbot.flowfile.load import assemble
from chatbot.flowfile.notation import dot, is_condition, mermaid, pairs
from chatbot.flowfile.outline import outline
from chatbot.flowfile.picture import drawn
from tests.unit.flowfiles import installed, write

__all__ = ["installed"]

FLOW = """\
version: 1
name: small
operations:
  one: {flow: look.yaml, inputs: {text: message.text}}
  two: {flow: look.yaml, when: message.addressed, inputs: {text: one.label}}
  answer:
    run: sample_answer
    when: [one.sure, two.sure]
    inputs: {label: [two.label, one.label], sender: message.sender}
    on: gpu
outputs: {label: two.label, "text": one.text}
"""
LOOK = """\
version: 1
inputs: {text: string}
operations:
  label: {run: sample_label, inputs: {text: text}, config: {words: {}}}
outputs: {label: label.label, sure: label.sure, text: text}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, small=FLOW, look=LOOK)


def graph(path: Path, *, folded: bool = False) -> Graph:
    return graph_of(assemble(path), folded=folded, where=drawing.where)


def ends(found: Graph) -> set[tuple[str, str, str]]:
    return {(source, target, joined(edges)) for (source, target), edges in pairs(found).items()}


def test_folded_a_subflow_is_one_node(path: Path) -> None:
    found = graph(path, folded=True)
    assert list(found.nodes) == ["message", "one", "two", "answer", "says", "outputs"]
    assert ends(found) == {
        ("message", "one", "text"),
        ("one", "two", "label → text"),
        ("message", "two", "if addressed"),
        ("two", "answer", "label, if sure"),
        ("one", "answer", "label, if sure"),
        ("message", "answer", "sender"),
        ("answer", "says", "reply"),
        ("two", "outputs", "label"),
        ("one", "outputs", "text"),
    }


def test_unfolded_what_is_in_a_subflow_is_connected_to_what_is_outside(path: Path) -> None:
    found = graph(path)
    assert found.nodes["two/label"].inside == "two"
    assert ends(found) == {
        ("message", "one/label", "text"),
        ("one/label", "two/label", "label → text"),
        ("message", "two", "if addressed"),
        ("two/label", "answer", "label, if sure"),
        ("one/label", "answer", "label, if sure"),
        ("message", "answer", "sender"),
        ("answer", "says", "reply"),
        ("two/label", "outputs", "label"),
        ("message", "outputs", "text"),
    }


def test_a_subflow_can_be_shown_by_itself(path: Path) -> None:
    found = graph(path.parent / "look.yaml")
    assert ends(found) == {
        ("input", "label", "text"),
        ("label", "outputs", "label, sure"),
        ("input", "outputs", "text"),
    }


def test_text_has_each_instance_where_it_runs_and_what_it_takes(path: Path) -> None:
    lines = outline(graph(path)).splitlines()
    assert lines[0].startswith("small (")
    [answer] = [line for line in lines if "answer" in line.split("←")[0]][:1]
    assert "sample_answer (gpu)" in answer
    assert "if one/label.sure" in answer
    names = [line.strip(" │▾").split()[0] for line in lines[1:]]
    assert names == ["message", "one", "label", "two", "label", "answer", "outputs", "says"]


@pytest.mark.parametrize("folded", [False, True])
def test_mermaid_and_dot_have_all_nodes_and_edges(path: Path, folded: bool) -> None:
    found = graph(path, folded=folded)
    lines = mermaid(found).splitlines()
    assert lines[0] == "flowchart TD"
    assert sum("-->" in line or "-.->" in line for line in lines) == len(pairs(found))
    assert sum("subgraph" in line for line in lines) == (0 if folded else 2)
    assert dot(found).count(" -> ") == len(pairs(found))
    assert dot(found).count("{") == dot(found).count("}")


def overlap(a: Box, b: Box) -> bool:
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def test_no_boxes_overlap_and_all_lie_in_the_picture_and_in_their_subflow(path: Path) -> None:
    found = graph(path)
    layout = layout_of(found)
    assert layout.boxes.keys() == found.nodes.keys()
    for a, b in combinations(layout.boxes.values(), 2):
        inside = b.path.startswith(f"{a.path}/") or a.path.startswith(f"{b.path}/")
        assert overlap(a, b) == inside, (a, b)
    for box in layout.boxes.values():
        assert 0 <= box.x <= box.x + box.width <= layout.width
        assert 0 <= box.y <= box.y + box.height <= layout.height


def test_an_arrow_goes_down_and_one_that_passes_a_layer_has_a_lane(path: Path) -> None:
    found = graph(path, folded=True)
    layout = layout_of(found)
    assert all(layout.boxes[a].y < layout.boxes[b].y for a, b in pairs(found))
    lanes = layout.lanes["message", "answer"]
    for box in layout.boxes.values():
        assert not any(
            box.x < x < box.x + box.width and box.y < y < box.y + box.height for x, y in lanes
        )


def test_svg_is_well_formed_and_has_each_node(path: Path) -> None:
    tree = ElementTree.fromstring(drawn(graph(path)))
    texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"message", "answer", "sample_answer · gpu", "two (look.yaml)"} <= set(texts)


def test_a_png_is_drawn_with_pillow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    monkeypatch.setenv("PATH", "")
    drawn = drawing.draw(str(path), (), "png", folded=False)
    assert isinstance(drawn, bytes)
    assert drawn.startswith(b"\x89PNG")


def test_a_circle_is_drawn(tmp_path: Path) -> None:
    flow = """\
version: 1
name: circle
operations:
  a: {run: sample_plain, inputs: {text: [message.text, b.result]}}
  b: {run: sample_plain, inputs: {text: a.result}}
outputs: {text: b.result}
"""
    found = graph(write(tmp_path, circle=flow))
    assert re.search(r"^  a .*b\.result", outline(found), re.MULTILINE)
    ElementTree.fromstring(drawn(found))


def test_the_name_of_the_file_says_in_what_form() -> None:
    assert drawing.kind_of(None, None) == "text"
    assert drawing.kind_of(None, Path("a.SVG")) == "svg"
    assert drawing.kind_of(None, Path("a.mmd")) == "mermaid"
    assert drawing.kind_of("dot", Path("a.svg")) == "dot"
    with pytest.raises(UsageError, match=r"what is a\.pdf to be"):
        drawing.kind_of(None, Path("a.pdf"))


def test_a_wrong_flow_is_refused(path: Path) -> None:
    path.write_text(FLOW.replace("one.label", "one.lable", 1))
    with pytest.raises(FlowError):
        drawing.draw(str(path), (), "text", folded=False)


def test_no_label_lies_on_a_box_or_on_another_label(path: Path) -> None:
    found = graph(path)
    layout = layout_of(found)
    ways = {
        (a, b): [
            (layout.boxes[a].middle, layout.boxes[a].y + layout.boxes[a].height),
            *between(layout, a, b),
            (layout.boxes[b].middle, layout.boxes[b].y),
        ]
        for a, b in pairs(found)
    }
    labels = labels_of({ends: joined(edges) for ends, edges in pairs(found).items()}, ways, layout)
    assert labels.keys() == ways.keys()
    corners = [each.corners for each in labels.values()]
    places = [Box("", "", (), c - a, d - b, a, b) for a, b, c, d in corners]
    boxes = [box for box in layout.boxes.values() if not box.holds]
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]
    assert not [(a, b) for a in places for b in boxes if overlap(a, b)]
    assert all(each.x >= 0 and each.x + each.width <= layout.width for each in places)


def test_a_long_label_goes_on_below_a_comma(path: Path) -> None:
    layout = layout_of(graph(path))
    ways: dict[tuple[str, str], list[Point]] = {("a", "b"): [(90.0, 0.0), (90.0, 99.0)]}
    [label] = labels_of({("a", "b"): "first, second, " + "x" * 30}, ways, layout).values()
    assert label.lines == ("first, second,", "x" * 30)


def test_only_a_condition_is_dashed(path: Path) -> None:
    found = graph(path, folded=True)
    dashed = {ends for ends, edges in pairs(found).items() if is_condition(edges)}
    assert drawn(found).count("stroke-dasharray") == len(dashed)
    assert dot(found).count("style=dashed") == len(dashed)


@pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")
def test_graphviz_draws_both_kinds_of_pictures(path: Path) -> None:
    tree = ElementTree.fromstring(str(drawing.draw(str(path), (), "svg", folded=False)))
    texts = {each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"message", "answer", "two (look.yaml)"} <= texts
    drawn = drawing.draw(str(path), (), "png", folded=True)
    assert isinstance(drawn, bytes)
    assert drawn.startswith(b"\x89PNG")


def test_what_graphviz_refuses_is_an_error(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(UsageError, match="Graphviz cannot draw this"):
        drawing.draw(str(path), (), "svg", folded=False)


def test_labels_of_lines_that_cross_stand_apart() -> None:
    ways: dict[tuple[str, str], list[Point]] = {
        ("a", "b"): [(50.0, 0.0), (250.0, 100.0)],
        ("c", "d"): [(250.0, 0.0), (50.0, 100.0)],
    }
    layout = Layout(width=300.0, height=100.0)
    first, second = labels_of(dict.fromkeys(ways, "label, if sure"), ways, layout).values()
    assert (first.x, first.y) == (150.0, 50.0)
    (_, _, _, bottom), (_, top, _, _) = sorted((first.corners, second.corners), key=lambda c: c[1])
    beside = abs(first.x - second.x) >= first.corners[2] - first.corners[0]
    assert beside or top >= bottom


ROOMS = """\
version: 1
name: rooms
listeners:
  irc:
    server: irc.example.org
    channels: ["#a", "#dev"]
    rooms:
      "#dev":
        operations:
          hello: {config: {text: "Hello {{ message.name }}, mind the topic"}}
          look: {operations: {label: {config: {words: {hi: greeting}}}}}
          plain: {config: {}}
operations:
  look: {flow: look.yaml, inputs: {text: message.text}}
  plain: {run: sample_plain, when: look.sure, inputs: {text: look.label}}
  hello: {reply: "Hello {{ message.name }}", when: plain.result}
  after: {reply: "{{ plain.result }}"}
outputs: {label: look.label, plain: plain.result}
"""


@pytest.mark.parametrize("folded", [False, True])
def test_what_differs_by_room_is_one_node_with_a_mark(tmp_path: Path, folded: bool) -> None:
    found = graph(write(tmp_path, rooms=ROOMS, look=LOOK), folded=folded)
    label = "look" if folded else "look/label"
    assert ends(found) == {
        ("message", label, "text"),
        (label, "plain", "label → text, if sure"),
        ("plain", "hello", "if result"),
        ("message", "hello", "name → message.name"),
        ("plain", "after", "result → plain.result"),
        ("hello", "says", "reply"),
        ("after", "says", "reply"),
        (label, "outputs", "label"),
        ("plain", "outputs", "result → plain"),
    }
    assert {name for name, node in found.nodes.items() if node.rooms == ("#dev",)} == {
        "look",
        "plain",
        "hello",
    }
    for told in (outline(found), mermaid(found), dot(found), drawn(found)):
        assert "~" not in told
        assert told.count("configured otherwise in #dev") == 3


def test_a_condition_of_what_differs_by_room_and_takes_nothing_is_drawn(tmp_path: Path) -> None:
    flow = """\
version: 1
name: alone
listeners: {irc: {server: a.example.org, rooms: {"#dev": {operations: {now: {config: {}}}}}}}
operations: {now: {run: now.py:now, when: message.addressed}}
"""
    code = "from chatbot import Reply, operation\n\n@operation\ndef now() -> Reply: ...\n"
    (tmp_path / "now.py").write_text(code)
    assert ends(graph(write(tmp_path, alone=flow))) == {
        ("message", "now", "if addressed"),
        ("now", "says", "reply"),
    }


def test_of_several_networks_a_room_that_differs_has_its_own(tmp_path: Path) -> None:
    two = ROOMS.replace("operations:\n  look", "  other: {kind: console}\noperations:\n  look", 1)
    found = graph(write(tmp_path, rooms=two, look=LOOK))
    assert found.nodes["hello"].remark == "configured otherwise in #dev on irc"
