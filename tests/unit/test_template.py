"""Templates fill in values, and can neither reach, nor take, what is not theirs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chatbot.flowfile.template import (
    LONGEST,
    Expression,
    Template,
    TemplateError,
    Used,
    faults,
    used,
)


def said(text: str, *, markdown: bool = False, **values: Any) -> str:
    given = {name.replace("__", "."): value for name, value in values.items()}
    return Template(text, markdown=markdown).render(given)


def test_values_are_filled_in() -> None:
    assert said("Hello {{ message.name }}!", message__name="anna") == "Hello anna!"


def test_null_is_nothing() -> None:
    assert said("[{{ a.b }}]", a__b=None) == "[]"


def test_conditions_and_loops_work() -> None:
    text = "{% for x in a.b if x > 1 %}{{ loop.index }}={{ x }} {% else %}none{% endfor %}"
    assert said(text, a__b=[1, 2, 3]) == "1=2 2=3"
    assert said(text, a__b=[]) == "none"


def test_what_people_wrote_has_no_control_codes() -> None:
    assert said("{{ a.b }}", a__b="x\x0304red\x02\r\nJOIN #y") == "x 04red JOIN #y"


def test_what_people_wrote_is_no_markdown() -> None:
    shown = said("**{{ a.b }}**", markdown=True, a__b="*x* [y](http://z) <b> `c`")
    assert shown == r"**\*x\* \[y\]\(http://z\) \<b\> \`c\`**"


def test_what_the_flow_trusts_is_said_as_it_is() -> None:
    assert said("{{ a.b | raw }}", markdown=True, a__b="*x*") == "*x*"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ message.name }} {{ a.b | upper }}", ["message.name", "a.b"]),
        ("{% for x in a.b %}{{ x }}{{ x.y }}{{ c.d }}{% endfor %}", ["a.b", "c.d"]),
        ("{% set x = a.b %}{{ x }}", ["a.b"]),
        ("{{ label }} {{ a.b.c }} {{ a['b'] }}", ["label", "a.b", "a"]),
    ],
)
def test_what_a_template_uses_is_known_before(text: str, names: list[str]) -> None:
    assert [each.name for each in used(text)] == names
    assert Used("a", "b").name == "a.b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ a.b", "is no template"),
        ("{% include 'x' %}", "`include` is not for templates"),
        ("{% macro x() %}{% endmacro %}", "`macro` is not for templates"),
        ("{{ a.b | tojson }}", "there is no filter `tojson`"),
        ("{{ a.b | uper }}", "there is no filter `uper`"),
        ("{{ a.b is callable }}", "there is no test `callable`"),
        ("{{ a.b.format(1) }}", "nothing but range"),
        ("{{ a.__class__ }}", "`__class__` cannot be had"),
        ("{% for x in a.b recursive %}{% endfor %}", "`recursive` is not"),
        ("{{ 2 ** 9 }}", "`pow` is not for templates"),
        ("{% block x %}{% endblock %}", "`block` is not"),
        ("{{ " + "(" * 5000, ""),
    ],
)
def test_what_a_reply_has_no_use_for_is_refused(text: str, message: str) -> None:
    found = faults(text)
    assert found
    assert message in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "{% for x in range(999) %}{% for y in range(999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000 }}",
        "{{ '%100000000d' % 1 }}",
        "{{ range(100000000) | list }}",
        "{% for x in a.b %}{{ a.c }}{% endfor %}",
        "{{ a.c ~ a.c ~ a.c ~ a.c }}",
        "{{ a.c + a.c + a.c + a.c }}",
        "{{ [a.c, a.c, a.c, a.c] | join(a.c) }}",
        "{{ a.nothing.x }}",
        "{{ 1 / 0 }}",
        "{{ a.b.append }}",
        "{% set x = a.c ~ a.c %}{% set y = x ~ x %}{{ y }}",
    ],
)
def test_what_takes_too_much_ends(text: str) -> None:
    assert not faults(text)
    before = time.process_time()
    with pytest.raises(TemplateError):
        said(text, a__b=list(range(500)), a__c="x" * (LONGEST // 3))
    assert time.process_time() - before < 1


def test_an_error_says_nothing_of_the_values() -> None:
    with pytest.raises(TemplateError) as error:
        said("{{ a.b + 1 }}", a__b="secret")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ a.b + 1 }}", 4),
        ("{{ a.b > 2 and not a.c }}", True),
        ("{{ a.b == 'x' }}", False),
        ("{{ [a.b, a.c] }}", [3, 0]),
        ("n{{ a.b }}", "n3"),
        ("{{ a.b in (1, 3) }}", True),
        ("{{ 'many' if a.b > 2 else 'few' }}", "many"),
    ],
)
def test_an_expression_has_a_value(text: str, value: object) -> None:
    found = Expression(text).value({"a.b": 3, "a.c": 0})
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["a.b > 1", "a.b < 1", "1 <= a.b", "0 < a.b < 5", "a.b > a.c"])
def test_null_is_neither_more_nor_less_than_anything(text: str) -> None:
    expression = Expression(f"{{{{ {text} }}}}")
    assert expression.value({"a.b": None, "a.c": 1}) is False
    assert said(f"{{% if {text} %}}yes{{% else %}}no{{% endif %}}", a__b=None, a__c=1) == "no"


@pytest.mark.parametrize(
    ("text", "value"), [("a.b > 1", True), ("1 <= a.b <= 1", False), ("not a.b < 2", True)]
)
def test_numbers_are_compared_as_ever(text: str, value: bool) -> None:
    assert Expression(f"{{{{ {text} }}}}").value({"a.b": 2}) is value
