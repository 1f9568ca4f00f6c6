from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.messages import compose
from pcd.messages.compose import LONGEST
from pcd.messages.template import SEEDS

ZONE = ZoneInfo("America/New_York")


def say(source: str, *, html: bool = False, **facts: Any) -> str:  # noqa: ANN401 - facts of any type
    named = {name.replace("__", "."): value for name, value in facts.items()}
    return compose.render(compose.parse(source), named, zone=ZONE, html=html)


@pytest.mark.parametrize(
    ("source", "facts", "said"),
    [
        pytest.param("Hi {customer.name}!", {"customer__name": "Ada"}, "Hi Ada!", id="old-form"),
        pytest.param("Hi {{ customer.name }}!", {"customer__name": "Ada"}, "Hi Ada!", id="new-form"),
        pytest.param("{{ link }} {link}", {"link": "x"}, "x x", id="both"),
        pytest.param("${estimate.total}", {"estimate__total": Decimal("1234.5000")}, "$1,234.50", id="money"),
        pytest.param("{job.number}", {"job__number": Decimal(1234)}, "1234", id="whole-number"),
        pytest.param("{a.d}", {"a__d": date(2026, 3, 8)}, "March 8, 2026", id="date"),
        pytest.param(
            "{a.t}",
            {"a__t": datetime(2026, 3, 8, 16, 5, tzinfo=UTC)},
            "March 8, 2026 at 12:05 PM",
            id="instant",
        ),
        pytest.param("{{ a.d | weekday }}", {"a__d": date(2026, 3, 8)}, "Sunday", id="weekday"),
        pytest.param("{{ a.n | default('there') }}", {}, "there", id="default"),
        pytest.param("{{ a.n | default('there') }}", {"a__n": " "}, "there", id="default-of-blank"),
        pytest.param("{% if a.n %}with {{ a.n }}{% else %}alone{% endif %}", {}, "alone", id="condition"),
        pytest.param("{% if a.n %}with {{ a.n }}{% endif %}", {"a__n": "Bo"}, "with Bo", id="condition-met"),
        pytest.param(
            "{% for r in rows %}{{ r.n }};{% endfor %}", {"rows": [{"n": 1}, {"n": 2}]}, "1;2;", id="loop"
        ),
        pytest.param("{ not a fact } {}", {}, "{ not a fact } {}", id="other-braces"),
        pytest.param("{a.x}", {"a__x": True}, "yes", id="truth"),
    ],
)
def test_text_is_said(source: str, facts: dict[str, Any], said: str) -> None:
    assert say(source, **facts) == said


@pytest.mark.parametrize(
    ("source", "names"),
    [
        pytest.param(
            "{customer.name} {business.phone}", "business.phone and customer.name are missing", id="two"
        ),
        pytest.param("{customer.name}", "customer.name is missing", id="one"),
        pytest.param("{% if a %}{{ b.c }}{% endif %}", "b.c is missing", id="in-a-branch"),
        pytest.param("{{ a.b == 1 }}", "a.b is missing", id="compared"),
    ],
)
def test_missing_fact_is_named(source: str, names: str) -> None:
    with pytest.raises(ValueError, match=names):
        say(source, a="yes", business__phone="")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ a['__class__'] }}",
        "{{ a | attr('__class__') }}",
        "{{ 'a' * 100000000 }}",
        "{{ 9 ** 99999999 }}",
        "{{ 'a' | replace('a', 'aaaaaaaaaa') }}",
        "{{ 'a' | center(100000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{% for i in range(1000000) %}x{% endfor %}",
        "{{ a.upper() }}",
        "{% set a = 1 %}",
        "{% include '/etc/passwd' %}",
        "{% macro m() %}{% endmacro %}",
        "{{ self }}{{ config }}",
        "{% for a in r %}{% for b in r %}{% for c in r %}x{% endfor %}{% endfor %}{% endfor %}",
    ],
)
def test_text_can_do_nothing_but_speak(source: str) -> None:
    with pytest.raises(ValueError):
        say(source, a="x", r=[1])


@pytest.mark.parametrize("source", ["{{ a", "{% if a %}", "{{ a | shout }}", "{{ }}"])
def test_text_that_cannot_be_read_names_its_line(source: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        compose.parse(f"first\n{source}")


def test_text_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="deeply"):
        compose.parse("{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}")


def test_text_has_a_longest_length() -> None:
    with pytest.raises(ValueError, match="longer than"):
        say("{% for a in rows %}{{ a }}{% endfor %}", rows=["x" * 1000] * (LONGEST // 1000 + 1))


def test_values_are_escaped_in_html_and_only_there() -> None:
    assert say("<p>{a}</p>", html=True, a="<b>&") == "<p>&lt;b&gt;&amp;</p>"
    assert say("{a}", a="<b>&") == "<b>&"


def test_value_is_never_read_as_a_text() -> None:
    assert say("{a}", a="{{ secret }} {b}") == "{{ secret }} {b}"


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_seeded_template_says_what_it_requires(seed: Any) -> None:  # noqa: ANN401 - private to the catalogue
    assert compose.parse(seed.body).needs == set(seed.required)


PIECES = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{",
    "}",
    "a",
    "b.c",
    " ",
    "|",
    "default",
    "('x')",
    "if",
    "for x in a",
    "endif",
]
PIECES += [
    "endfor",
    "else",
    "==",
    "~",
    "+",
    "1",
    "'",
    "[",
    "]",
    "(",
    ")",
    "date",
    "money",
    "join",
    "#}",
    "{#",
    "not",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.sampled_from([None, 1, "x", ["y"], {"c": 2}]),
)
def test_any_text_is_said_or_refused(source: str, value: object) -> None:
    try:
        said = say(source, a=value, b__c=value)
    except ValueError:
        return
    assert len(said) <= LONGEST
