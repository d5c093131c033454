"""FAQ files and what is answered from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.errors import FlowError
from operations.faq import AnswerFromFaq, FaqConfig, check_config
from operations.faq_file import Entry, check_faq, read_faq

FAQ = """\
# The title

What is written here is no answer.

## How do I install this?
<!-- also: where is the driver? | what comes next? -->

Take the *next* release, see
[the manual](https://example.org/x) and `make`.

Not this.

## Sound

### Does the sound not work?

- a list is no paragraph by itself?

It does.

## A good book?
Great!
"""


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    return written(tmp_path, FAQ)


def written(folder: Path, text: str) -> Path:
    path = folder / "faq.md"
    path.write_text(text)
    return path


def told(path: Path) -> list[str]:
    return [str(problem).removeprefix(f"{path}:") for problem in check_faq(path)[1]]


def test_headings_are_questions_and_first_paragraphs_answers(faq: Path) -> None:
    install, sound, book = read_faq(faq)
    answer = "Take the next release, see the manual (https://example.org/x) and `make`."
    also = ("where is the driver?", "what comes next?")
    assert install == Entry("How do I install this?", answer, "how-do-i-install-this", also)
    assert sound.anchor == "does-the-sound-not-work"
    assert (book.question, book.answer) == ("A good book?", "Great!")


def test_equal_anchors_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "# T\n## Why `x`?\nx\n## Why X?\ny\n")
    assert [each.anchor for each in read_faq(path)] == ["why-x", "why-x-1"]


def test_all_that_is_wrong_with_the_file_is_told_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "# T\n\n## Why?\n## How?\nso\n## how?\nso\n##\nx\n")
    assert told(path)[0].startswith("3:4: no paragraph answers 'Why?' (write a heading")
    assert told(path)[1] == "6:4: the same question stands in line 4 (keep one of them)"
    assert told(path)[2].startswith("8:3: the heading has no text")
    with pytest.raises(FlowError):
        read_faq(path)


@pytest.mark.parametrize("text", ["", "no heading", "# only a title\n\n"])
def test_a_file_without_a_question_is_refused(tmp_path: Path, text: str) -> None:
    assert len(told(written(tmp_path, text))) == 1


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faq.md"
    path.write_bytes("# T\n\n## Grüße?\n".encode("latin-1"))
    assert told(path) == ["3:1: is not UTF-8 (save it as UTF-8)"]
    assert "cannot be read" in told(tmp_path / "none.md")[0]


@given(st.text("#- \n`[](!<>*_a?", max_size=120))
def test_no_markdown_breaks_it(text: str) -> None:
    path = Path("/dev/shm/chatbot-faq.md")
    path.write_text(text)
    entries, problems = check_faq(path)
    assert entries or problems
    assert all(entry.question and entry.answer for entry in entries)
    path.unlink()


async def answers(config: FaqConfig, *texts: Any) -> list[Any]:
    async with AnswerFromFaq.imp(config) as imp, imp(None, None) as context:
        batch = [{"text": text, "sender": "anna"} for text in texts]
        given: list[Any] = await context.run_batch(batch)
        assert await context.run(batch[0]) == given[0]
        return given


async def test_what_is_asked_is_answered_with_a_link(faq: Path, tiny_encoder: str) -> None:
    config = FaqConfig(faq, "https://example.org/faq", tiny_encoder, likeness=0.99, lead=0.01)
    same, other_way, nothing, wrong, empty = await answers(
        config, "how do i install this ?", "where is the driver?", "hello", 7, " "
    )
    assert same["question"] == other_way["question"] == "How do I install this?"
    assert same["link"] == "https://example.org/faq#how-do-i-install-this"
    assert same["reply"]["text"].startswith("anna: Take the next release")
    assert same["reply"]["text"].endswith(same["link"])
    assert nothing["found"] is False
    assert "reply" not in nothing
    assert isinstance(wrong, TypeError)
    assert empty == {"found": False, "score": 0.0}


async def test_two_entries_that_are_as_like_are_not_told_apart(
    tmp_path: Path, tiny_encoder: str
) -> None:
    path = written(tmp_path, "# T\n## is this on?\nyes\n## is this on ?\nno\n")
    [found] = await answers(FaqConfig(path, encoder=tiny_encoder, likeness=0.5), "is this on?")
    assert (found["found"], found["score"] > 0.9) == (False, True)


def test_a_wrong_configuration_is_refused_with_the_place_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "# T\n## Why?\n")
    config = FaqConfig(path, likeness=2, reply="{anser}")
    found = {key: (message, hint, *place) for (key,), message, hint, *place in check_config(config)}
    assert set(found) == {"likeness", "reply", "file"}
    message, _, place = found["file"]
    assert (message, place) == ("no paragraph answers 'Why?'", (str(path), 2, 4))
    assert "did you mean {answer}?" in found["reply"][1]
