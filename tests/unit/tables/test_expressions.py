from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.tables.catalogue import TableColumn
from pcd.tables.expressions import cast_text, expression, family, full_text
from pcd.tables.spec import col

if TYPE_CHECKING:
    from pcd.tables.spec import Column


def actual(type_name: str, *, width: int | None = None) -> TableColumn:
    return TableColumn(name="x", type=type_name, width=width)


@pytest.mark.parametrize(
    ("declared", "stored_as", "expected"),
    [
        pytest.param(col("x", "text", "a"), "text", "(d->>'a')", id="text"),
        pytest.param(col("x", "text", "a.b.c"), "text", "(d->'a'->'b'->>'c')", id="nested"),
        pytest.param(
            col("x", "bigint", "a"), "bigint", "nullif((d->>'a'), '')::numeric::bigint", id="integer"
        ),
        pytest.param(
            col("x", "bigint", "a"),
            "integer",
            "nullif((d->>'a'), '')::numeric::integer",
            id="adopted integer",
        ),
        pytest.param(
            col("x", "numeric(18,4)", "a"),
            "numeric(12,2)",
            "nullif((d->>'a'), '')::numeric(12,2)",
            id="money",
        ),
        pytest.param(col("x", "boolean", "a"), "boolean", "nullif((d->>'a'), '')::boolean", id="boolean"),
        pytest.param(
            col("x", "date", "a"), "date", "left(nullif((d->>'a'), ''), 10)::date", id="calendar day"
        ),
        pytest.param(
            col("x", "timestamp", "a"),
            "timestamp without time zone",
            "nullif((d->>'a'), '')::timestamptz AT TIME ZONE 'UTC'",
            id="naive instant",
        ),
        pytest.param(
            col("x", "timestamptz", "a"),
            "timestamp with time zone",
            "nullif((d->>'a'), '')::timestamp with time zone",
            id="instant",
        ),
        pytest.param(col("x", "jsonb", "a"), "jsonb", "nullif(d->'a', 'null'::jsonb)", id="jsonb"),
        pytest.param(
            col("x", "jsonb", "a"), "json", "nullif(d->'a', 'null'::jsonb)::json", id="adopted json"
        ),
        pytest.param(col("x", "jsonb", "a"), "text", "(d->>'a')", id="adopted text instead of jsonb"),
        pytest.param(
            col("x", "bigint[]", "a"),
            "bigint[]",
            "translate((d->>'a'), '[]', '{}')::numeric[]::bigint[]",
            id="ids",
        ),
        pytest.param(
            col("x", "text[]", "a"),
            "text[]",
            "CASE jsonb_typeof(d->'a') WHEN 'array'"
            " THEN ARRAY(SELECT jsonb_array_elements_text(d->'a'))::text[] END",
            id="texts",
        ),
        pytest.param(
            col("x", "boolean", "a", default="true"),
            "boolean",
            "coalesce(nullif((d->>'a'), '')::boolean, true)",
            id="default stands in",
        ),
        pytest.param(
            col("x", "jsonb", "a", default="'[]'"), "text", "(d->>'a')", id="default of another type does not"
        ),
        pytest.param(col("x", "integer", sql="f(d)"), "integer", "(f(d))::integer", id="computed"),
        pytest.param(
            col("x", "bigint", sql="f(d)"), "numeric", "(f(d))::numeric", id="computed number as number"
        ),
        pytest.param(
            col("x", "bigint", sql="f(d)"),
            "date",
            "left(nullif((f(d))::text, ''), 10)::date",
            id="computed value read as what is there",
        ),
        pytest.param(col("x", "text", "it's"), "text", "(d->>'it''s')", id="quoted step"),
    ],
)
def test_expression_suits_the_type_that_is_there(declared: Column, stored_as: str, expected: str) -> None:
    assert expression(declared, actual(stored_as)) == expected


def test_text_is_cut_to_the_actual_width_not_the_declared() -> None:
    column = col("x", "varchar(500)", "a")
    narrow = actual("character varying(12)", width=12)
    assert expression(column, narrow) == "left((d->>'a'), 12)"
    assert full_text(column, narrow) == "(d->>'a')"


def test_unbounded_text_has_nothing_to_cut() -> None:
    assert full_text(col("x", "varchar(5)", "a"), actual("text")) is None


def test_computed_text_is_cut_too() -> None:
    column = col("x", "varchar(100)", sql="f(d)")
    assert expression(column, actual("character varying(3)", width=3)) == "left((f(d))::text, 3)"


def test_other_types_are_read_from_text_as_they_are() -> None:
    assert cast_text("t", "uuid") == "nullif(t, '')::uuid"


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [
        ("varchar(50)", "character varying"),
        ("character varying(50)", "character varying"),
        ("numeric(18,4)", "numeric"),
        ("decimal", "numeric"),
        ("timestamptz", "timestamp with time zone"),
        ("timestamp", "timestamp without time zone"),
        ("bigint[]", "bigint[]"),
        ("character varying(100)[]", "character varying[]"),
    ],
)
def test_family_is_the_type_without_its_length(type_name: str, expected: str) -> None:
    assert family(type_name) == expected
