"""The rules that a request's body breaks, in the words of the validator that GoHighLevel uses.

Source: integrators' reports of 422s (an unknown property, ``locationId`` where it has no place); the
wording of the single messages is class-validator's.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

from pcd.sim.ghl.schema import Kind, Property

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pcd.sim.ghl.schema import Schema

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+", re.ASCII)


def violations(body: Mapping[str, Any], schema: Schema, *, within: str = "") -> list[str]:
    """Return what is wrong with *body*; the names begin with *within*."""
    found = [f"{within}property {name} should not exist" for name in body if name not in schema]
    for name, rule in schema.items():
        found += _broken(body.get(name), rule, name=f"{within}{name}", is_there=name in body)
    return found


def query_violations(
    query: Mapping[str, str], *, allowed: Collection[str], needed: Collection[str]
) -> list[str]:
    """Return what is wrong with the parameters of a request."""
    found = [f"property {name} should not exist" for name in query if name not in allowed]
    return found + [f"{name} should not be empty" for name in needed if not query.get(name)]


def _broken(value: Any, rule: Property, *, name: str, is_there: bool) -> list[str]:  # noqa: ANN401 - JSON
    if rule.required and (value is None or value == ""):
        return [f"{name} should not be empty"]
    if value is None:
        return [] if rule.nullable or not is_there else [f"{name} must be {_noun(rule.kind)}"]
    if not _fits(value, rule.kind):
        return [f"{name} must be {_noun(rule.kind)}"]
    if rule.choices and value not in rule.choices:
        return [f"{name} must be one of the following values: {', '.join(rule.choices)}"]
    if rule.kind is Kind.TEXTS and not all(isinstance(one, str) for one in value):
        return [f"each value in {name} must be a string"]
    return _parts(value, rule, name=name)


def _parts(value: Any, rule: Property, *, name: str) -> list[str]:  # noqa: ANN401 - JSON
    if rule.parts is None:
        return []
    if rule.kind is Kind.OBJECT:
        return violations(value, rule.parts, within=f"{name}.")
    found: list[str] = []
    for position, item in enumerate(value):
        if isinstance(item, dict):
            found += violations(item, rule.parts, within=f"{name}.{position}.")
        else:
            found.append(f"each value in {name} must be an object")
    return found


def _fits(value: Any, kind: Kind) -> bool:  # noqa: ANN401, PLR0911 - JSON; one a kind
    match kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.EMAIL:
            return isinstance(value, str) and (not value or _EMAIL.fullmatch(value) is not None)
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case Kind.INSTANT:
            return isinstance(value, str) and _is_instant(value)
        case Kind.TEXTS | Kind.OBJECTS:
            return isinstance(value, list)
        case Kind.OBJECT:
            return isinstance(value, dict)
        case Kind.ANY:
            return True
        case _:
            assert_never(kind)


def _is_instant(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _noun(kind: Kind) -> str:
    return {
        Kind.TEXT: "a string",
        Kind.EMAIL: "an email",
        Kind.FLAG: "a boolean value",
        Kind.NUMBER: "a number conforming to the specified constraints",
        Kind.INSTANT: "a valid ISO 8601 date string",
        Kind.TEXTS: "an array",
        Kind.OBJECTS: "an array",
        Kind.OBJECT: "an object",
        Kind.ANY: "set",
    }[kind]
