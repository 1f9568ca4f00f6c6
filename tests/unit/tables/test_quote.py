from __future__ import annotations

import pytest

from pcd.tables.quote import literal, qualified, quote


def test_identifier_is_quoted_whatever_it_holds() -> None:
    assert quote('a"b') == '"a""b"'
    assert qualified("servicetitan", "st_jobs") == '"servicetitan"."st_jobs"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [("it's", "'it''s'"), ("plain", "'plain'"), ("back\\slash's", " E'back\\\\slash''s'")],
)
def test_text_is_a_constant_under_any_setting(text: str, expected: str) -> None:
    """A backslash means something else when standard_conforming_strings is off."""
    assert literal(text) == expected
