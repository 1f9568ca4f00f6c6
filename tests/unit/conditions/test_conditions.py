from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcd.errors import ConditionError
from pcd.workflows.conditions import check, compile_structure, evaluate, facts_of, parse, why_not, write
from pcd.workflows.conditions.condition import (
    And,
    Compare,
    Contains,
    Exists,
    FactName,
    Holds,
    IsIn,
    Literal,
    Not,
    Operator,
    Or,
)
from pcd.workflows.conditions.tokens import LONGEST, WORDS

if TYPE_CHECKING:
    from pcd.workflows.conditions import Condition

FACTS: dict[str, Any] = {
    "estimate.status": "Open",
    "estimate.total": Decimal("1500.00"),
    "estimate.name": None,
    "message_count": 4,
    "customer.opted_out": False,
    "customer.tags": ("VIP", "slow payer"),
    "invoice.due_date": date(2026, 3, 10),
    "appointment.start": datetime(2026, 3, 10, 14, tzinfo=UTC),
    "job.summary": "No cooling upstairs, 2nd visit",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("estimate.status == 'Open'", True),
        ('estimate.status = "Open"', True),
        ("estimate.status != 'Sold'", True),
        ("estimate.status <> 'Open'", False),
        ("estimate.status == 'open'", False),
        ("estimate.total >= 1000", True),
        ("estimate.total >= $1,500.00", True),
        ("estimate.total > $1,500", False),
        ("estimate.total < '1500.01'", True),
        ("message_count >= 4", True),
        ("message_count == 4.0", True),
        ("-1 < message_count", True),
        ("customer.opted_out", False),
        ("not customer.opted_out", True),
        ("customer.opted_out == false", True),
        ("estimate.status in ['Open', 'Sold']", True),
        ("estimate.status not in ('Sold', 'Dismissed')", True),
        ("message_count in [1, 2, 3]", False),
        ("customer.tags contains 'VIP'", True),
        ("customer.tags not contains 'VIP'", False),
        ("job.summary contains 'cooling'", True),
        ("estimate.name exists", False),
        ("estimate.name not exists", True),
        ("estimate.name == null", True),
        ("estimate.name == 'x'", False),
        ("estimate.name in ['x', null]", True),
        ("invoice.due_date == 2026-03-10", True),
        ("invoice.due_date < '2026-03-11'", True),
        ("appointment.start >= 2026-03-10T13:59:59Z", True),
        ("appointment.start < 2026-03-10T10:30-04:00", True),
        ("appointment.start == 2026-03-10", True),
        ("estimate.status == 'Sold' or message_count >= 4", True),
        ("estimate.status == 'Open' and message_count > 4", False),
        ("customer.opted_out or customer.opted_out or estimate.total > 1", True),
        ("not (customer.opted_out or message_count > 4) and estimate.status == 'Open'", True),
        ("estimate.name exists and estimate.name > 'a'", False),
        ("true or nothing_is_read", True),
        ("false and nothing_is_read", False),
        ("!customer.opted_out && estimate.status == 'Open' || false", True),
        ("NOT customer.opted_out AND true", True),
        (r"job.summary == 'it\'s'", False),
    ],
)
def test_condition_is_judged(text: str, holds: bool) -> None:
    condition = parse(text)
    assert evaluate(condition, FACTS) is holds
    assert parse(write(condition)) == condition


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("", 1, "expected a fact or a value"),
        ("estimate.status ==", 19, "found the end"),
        ("a = = b", 5, "expected a fact or a value"),
        ("(a", 3, "expected ')'"),
        ("a)", 2, "expected 'and', 'or' or the end"),
        ("a == 'abc", 6, "this text does not end"),
        ("a == 1 b", 8, "expected 'and', 'or' or the end"),
        ("a in b", 6, "expected a list"),
        ("a in []", 7, "expected a fact or a value"),
        ("1 exists", 1, "only a fact"),
        ("a not == 1", 7, "expected 'in', 'contains' or 'exists'"),
        ("a == 2026-02-30", 6, "is no date"),
        ("a == 2026-02-20T10:00", 6, "does not say its zone"),
        ("a == ;", 6, "has no meaning here"),
        ("__import__('os')", 11, "expected 'and', 'or' or the end"),
        ("a." + "b" * 3 + " + 1", 7, "has no meaning here"),
        ("not " * 33 + "a", 133, "nested deeper"),
        ("(" * 33 + "a" + ")" * 33, 34, "nested deeper"),
        ("a" * (LONGEST + 1), LONGEST + 1, "at most"),
    ],
)
def test_what_is_no_condition_says_where_it_stops_to_be_one(text: str, column: int, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert caught.value.column == column
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("true and nobody.knows == 1", 10, "nobody.knows is not known"),
        ("estimate.name > 'a'", 1, "has no value"),
        ("estimate.status", 1, "expected true or false"),
        ("estimate.status > 3", 1, "cannot be read as a number"),
        ("customer.opted_out == 1", 1, "cannot be compared"),
        ("customer.opted_out > false", 1, "neither more nor less"),
        ("message_count contains '4'", 1, "contains nothing"),
        ("estimate.name contains 'x'", 1, "null contains nothing"),
        ("job.summary contains 4", 22, "is in no text"),
        ("message_count == 2026-03-01", 1, "cannot be compared"),
        ("customer.tags == 'VIP'", 1, "cannot be compared"),
    ],
)
def test_what_cannot_be_judged_is_an_error_and_never_false(text: str, column: int, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        evaluate(parse(text), FACTS)
    assert caught.value.column == column
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("structure", "same_as"),
    [
        ({}, "true"),
        ({"estimate.status": "Open"}, "estimate.status == 'Open'"),
        ({"estimate.total": {"$gte": 1000}}, "estimate.total >= 1000"),
        (
            {"estimate.status": "Open", "estimate.total": {"$gte": 1000, "$lt": 99.5}},
            "estimate.status == 'Open' and estimate.total >= 1000 and estimate.total < 99.5",
        ),
        ({"a.b": {"$ne": None}}, "a.b != null"),
        ({"a": {"$in": ["x", 2, True]}}, "a in ['x', 2, true]"),
        ({"a": {"$gt": 1}, "b": {"$lte": 2}}, "a > 1 and b <= 2"),
    ],
)
def test_structure_means_the_same_as_a_text(structure: object, same_as: str) -> None:
    assert compile_structure(structure) == parse(same_as)


@pytest.mark.parametrize(
    ("structure", "part"),
    [
        ({"estimate.total": {"$gtee": 1}}, "did you mean '$gte'?"),
        ({"estimate.total": {}}, "no operator"),
        ({"a": {"$in": "x"}}, "$in needs a list"),
        ({"a": {"$gte": [1]}}, "is no text, number"),
        ({"a b": 1}, "cannot be the name of a fact"),
        (["a"], "expected facts with values"),
        ({"a": float("nan")}, "is no text, number"),
    ],
)
def test_bad_structure_names_the_nearest_operator(structure: object, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_structure(structure)
    assert part in caught.value.message


def test_what_decided_is_told_with_its_facts() -> None:
    condition = parse("estimate.status == 'Open' and estimate.total >= 2000")
    told = "estimate.total >= 2000 does not hold: estimate.total is 1500.00"
    assert why_not(condition, FACTS) == told


def test_names_of_facts_are_collected() -> None:
    text = "a.b == c or not (d in [e, 1] and f contains g) or h exists or i"
    assert facts_of(parse(text)) == set("cdefghi") | {"a.b"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("estimate.total >= 1000 and customer.opted_out", []),
        ("estimate.totl >= 1000", ["totl"]),
        ("estimate.total == 'many'", ["cannot be read as a number"]),
        ("customer.opted_out > 1 or invoice.due_date == 7", ["cannot be compared", "cannot be compared"]),
        ("estimate.status in ['Open', 7]", ["cannot be read as a number"]),
        ("estimate.status", ["expected true or false"]),
        ("invoice.due_date < '2026-01-01'", []),
        ("estimate.status == '7'", []),
    ],
)
def test_check_finds_what_can_never_be_judged(text: str, parts: list[str]) -> None:
    def kinds(name: str) -> type | None:
        if name not in FACTS:
            raise ConditionError(f"there is no fact {name}")
        return type(FACTS[name])

    found = check(parse(text), kinds)
    assert len(found) == len(parts)
    for error, part in zip(found, parts, strict=True):
        assert part in error.message


_names = (
    st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), min_size=1, max_size=3)
    .map(".".join)
    .filter(lambda name: name.lower() not in WORDS)
)
_values = st.one_of(
    st.booleans(),
    st.none(),
    st.text(max_size=20),
    st.integers(min_value=-(10**15), max_value=10**15).map(Decimal),
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9),
    st.dates(min_value=date(1900, 1, 1)),
    st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 1000),
)
_operands = st.one_of(
    st.builds(lambda name: FactName(name=name), _names),
    st.builds(lambda value: Literal(value=value), _values),
)
_facts = st.builds(lambda name: FactName(name=name), _names)
_leaves = st.one_of(
    st.builds(lambda one: Holds(operand=one), _operands),
    st.builds(
        lambda sign, left, right: Compare(operator=sign, left=left, right=right),
        st.sampled_from(Operator),
        _operands,
        _operands,
    ),
    st.builds(
        lambda one, options: IsIn(operand=one, options=tuple(options)),
        _operands,
        st.lists(_operands, min_size=1, max_size=3),
    ),
    st.builds(lambda whole, part: Contains(whole=whole, part=part), _operands, _operands),
    st.builds(lambda fact: Exists(fact=fact), _facts),
)
_conditions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(lambda one: Not(condition=one), inner),
        st.builds(lambda parts: And(conditions=tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: Or(conditions=tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


@given(_conditions)
@settings(max_examples=100, deadline=None)
def test_what_is_written_reads_as_the_same(condition: Condition) -> None:
    text = write(condition)
    if len(text) <= LONGEST:
        assert parse(text) == condition


_odd = st.just(("a", "b")) | st.integers() | st.decimals() | st.floats() | st.datetimes()


@given(_conditions, st.lists(_values | _odd, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_judging_ends_in_an_answer_or_a_condition_error(condition: Condition, values: list[Any]) -> None:
    names = sorted(facts_of(condition))
    known = {name: values[index % len(values)] for index, name in enumerate(names)}
    with suppress(ConditionError):
        assert evaluate(condition, known) in {True, False}


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["a", "==", "'", "(", ")", "not", "in", "1", "["])).map(" ".join)
)
@settings(max_examples=300, deadline=None)
def test_garbage_is_refused_with_a_column_inside_of_it(text: str) -> None:
    with suppress(ConditionError):
        parse(text)
        return
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert 1 <= caught.value.column <= len(text) + 1
