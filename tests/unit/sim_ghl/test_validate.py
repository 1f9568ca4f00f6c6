"""What a body may hold, and in which words it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pcd.sim.ghl.schema import ANY, FLAG, MAYBE, NEEDED, NUMBER, TEXT, TEXTS, Kind, Property, Schema
from pcd.sim.ghl.validate import query_violations, violations

SCHEMA: Schema = {
    "id": NEEDED,
    "name": TEXT,
    "city": MAYBE,
    "email": Property(kind=Kind.EMAIL, nullable=True),
    "dnd": FLAG,
    "value": NUMBER,
    "due": Property(kind=Kind.INSTANT),
    "tags": TEXTS,
    "status": Property(choices=("open", "won")),
    "one": Property(kind=Kind.OBJECT, parts={"on": FLAG}),
    "many": Property(kind=Kind.OBJECTS, parts={"id": NEEDED, "any": ANY}),
}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"id": "1"}, []),
        ({"id": "1", "city": None, "email": None, "many": [{"id": "2", "any": {}}]}, []),
        ({"id": "1", "email": "", "value": 1.5, "due": "2026-11-23T10:00:00.000Z"}, []),
        ({}, ["id should not be empty"]),
        ({"id": ""}, ["id should not be empty"]),
        ({"id": None}, ["id should not be empty"]),
        ({"id": "1", "nam": "x"}, ["property nam should not exist"]),
        ({"id": 1}, ["id must be a string"]),
        ({"id": "1", "name": None}, ["name must be a string"]),
        ({"id": "1", "email": "a b@example.com"}, ["email must be an email"]),
        ({"id": "1", "email": "a@example"}, ["email must be an email"]),
        ({"id": "1", "dnd": "true"}, ["dnd must be a boolean value"]),
        ({"id": "1", "value": "1"}, ["value must be a number conforming to the specified constraints"]),
        ({"id": "1", "value": True}, ["value must be a number conforming to the specified constraints"]),
        ({"id": "1", "due": "tomorrow"}, ["due must be a valid ISO 8601 date string"]),
        ({"id": "1", "tags": "vip"}, ["tags must be an array"]),
        ({"id": "1", "tags": ["vip", 1]}, ["each value in tags must be a string"]),
        ({"id": "1", "status": "OPEN"}, ["status must be one of the following values: open, won"]),
        ({"id": "1", "one": []}, ["one must be an object"]),
        ({"id": "1", "one": {"off": True}}, ["one.property off should not exist"]),
        ({"id": "1", "many": {"0": {}}}, ["many must be an array"]),
        ({"id": "1", "many": [1]}, ["each value in many must be an object"]),
        ({"id": "1", "many": [{"id": "a"}, {}]}, ["many.1.id should not be empty"]),
    ],
)
def test_body_is_judged_property_by_property(body: dict[str, Any], found: list[str]) -> None:
    assert violations(body, SCHEMA) == found


def test_parameters_are_a_whitelist_too() -> None:
    found = query_violations({"locationId": "l"}, allowed={"location_id"}, needed=("location_id",))
    assert found == ["property locationId should not exist", "location_id should not be empty"]
