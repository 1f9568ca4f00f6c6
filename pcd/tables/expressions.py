"""A column as SQL: the expression over the jsonb record ``d`` that yields its value.

The expression is written for the type that the column really has, because an adopted table keeps its
own. It is as tolerant as the upstream is loose (``"1.0000"`` for an id, ``""`` for a date, money as text)
and no more: what still does not fit fails the statement, and the record goes into quarantine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.tables.quote import literal

if TYPE_CHECKING:
    from pcd.tables.catalogue import TableColumn
    from pcd.tables.spec import Column

_INTEGERS = frozenset({"bigint", "integer", "smallint"})
_ALIASES = {
    "varchar": "character varying",
    "decimal": "numeric",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
}


def expression(column: Column, actual: TableColumn) -> str:
    """Return the SQL that yields *column*'s value from the record ``d``, as the type of *actual*.

    Where the record holds nothing, the declared default stands in, as the old system wrote it.
    """
    value = _computed(column, actual) if column.sql else _converted(column.path, actual)
    if column.default and family(column.type) == family(actual.type):
        return f"coalesce({value}, {column.default})"
    return value


def full_text(column: Column, actual: TableColumn) -> str | None:
    """Return the SQL of the text before it is cut to the width of *actual*, None where nothing bounds it."""
    if actual.width is None:
        return None
    return f"({column.sql})::text" if column.sql else _text(column.path)


def field_text(*path: str) -> str:
    """Return the SQL of the text at *path* of the record ``d``: NULL where it is missing or null."""
    return _text(path)


def cast_text(text: str, type_name: str) -> str:
    """Return the SQL that reads the SQL text *text* as *type_name*; an empty text is NULL.

    A calendar day keeps its day whatever zone follows it; an instant without a zone is UTC.
    """
    base, filled = family(type_name), f"nullif({text}, '')"
    if base in _INTEGERS:
        return f"{filled}::numeric::{base}"
    if base == "date":
        return f"left({filled}, 10)::date"
    if base == "timestamp without time zone":
        return f"{filled}::timestamptz AT TIME ZONE 'UTC'"
    return f"{filled}::{type_name}"


def family(type_name: str) -> str:
    """Return the type without its length, spelled as PostgreSQL spells it."""
    base, bracket, rest = type_name.partition("(")
    suffix = "[]" if (rest if bracket else base).endswith("[]") else ""
    base = base.removesuffix("[]").strip()
    return _ALIASES.get(base, base) + suffix


def _converted(path: tuple[str, ...], actual: TableColumn) -> str:
    base = family(actual.type)
    if base.endswith("[]"):
        return _array(path, base)
    if base in {"jsonb", "json"}:
        found = f"nullif({_json(path)}, 'null'::jsonb)"
        return found if base == "jsonb" else f"{found}::json"
    if _is_text(base):
        return _cut(_text(path), actual)
    return cast_text(_text(path), actual.type)


def _computed(column: Column, actual: TableColumn) -> str:
    if _is_text(family(actual.type)):
        return _cut(f"({column.sql})::text", actual)
    if family(column.type) == family(actual.type) or (_is_number(actual) and _is_number(column)):
        return f"({column.sql})::{actual.type}"
    return cast_text(f"({column.sql})::text", actual.type)


def _cut(text: str, actual: TableColumn) -> str:
    return text if actual.width is None else f"left({text}, {actual.width})"


def _array(path: tuple[str, ...], base: str) -> str:
    """Return the SQL of an array of scalars.

    JSON writes an array of numbers as PostgreSQL does but for the brackets; reading it so costs a
    tenth of a subquery over its elements.
    """
    if base.removesuffix("[]") in _INTEGERS:
        return f"translate({_text(path)}, '[]', '{{}}')::numeric[]::{base}"
    found = _json(path)
    return (
        f"CASE jsonb_typeof({found}) WHEN 'array'"
        f" THEN ARRAY(SELECT jsonb_array_elements_text({found}))::{base} END"
    )


def _json(path: tuple[str, ...]) -> str:
    return "".join(("d", *(f"->{literal(step)}" for step in path)))


def _text(path: tuple[str, ...]) -> str:
    return f"({_json(path[:-1])}->>{literal(path[-1])})"


def _is_text(base: str) -> bool:
    return base in {"text", "character varying", "character", "citext"}


def _is_number(column: Column | TableColumn) -> bool:
    base = family(column.type)
    return base in _INTEGERS or base in {"numeric", "real", "double precision"}
