from __future__ import annotations

import pytest

from pcd.db.queries import load, parse


def test_statements_are_found_by_name() -> None:
    text = "-- All of them.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\n-- Why.\nSELECT 2\n"
    assert dict(parse(text, where="here")) == {"one": "-- Why.\nSELECT 1", "two": "-- Why.\nSELECT 2"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: one\nSELECT 1", "one does not say what it is for"),
        ("-- name: one\n-- a\nSELECT 1\n-- name: one\n-- b\nSELECT 2", "two statements are named one"),
        ("SELECT 0;\n-- name: one\n-- a\nSELECT 1", "SQL before the first name"),
    ],
    ids=["no purpose", "twice", "stray"],
)
def test_a_careless_file_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text, where="here")


def test_a_packages_statements_are_loaded() -> None:
    assert "fence_lease" in load("pcd.db")
