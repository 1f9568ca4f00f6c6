"""What never stands in a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.telemetry.redact import MASK, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("id cid.a1b2c3d4e5f6 refused", "id *** refused", id="client id"),
        pytest.param("cs1.abc-DEF_123xyz", "***", id="client secret"),
        pytest.param("app key ak1.0123456789abcdef!", "app key ***!", id="app key"),
        pytest.param("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***", id="bearer"),
        pytest.param("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "got ***", id="JSON web token"),
        pytest.param(
            "postgresql://pool:s3cr3t@db.example:5432/pool",
            "postgresql://pool:***@db.example:5432/pool",
            id="password in a URL",
        ),
        pytest.param("redis://:p@ss@cache:6379", "redis://:***@cache:6379", id="password with an @, no user"),
        pytest.param("postgresql:///pcd?host=/run", "postgresql:///pcd?host=/run", id="no password"),
        pytest.param("customers: 4,000 read, 12 new", "customers: 4,000 read, 12 new", id="a story"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_configured_secrets_are_masked_whatever_their_shape() -> None:
    assert redact("with hunter22 and hunter2", secrets=["hunter2", "hunter22"]) == "with *** and ***"


def test_very_short_secrets_do_not_blot_out_words() -> None:
    assert redact("a simulated tenant", secrets=["sim", ""]) == "a simulated tenant"


@given(before=st.text(), secret=st.text(st.characters(categories=("L", "N")), min_size=6), after=st.text())
def test_no_configured_secret_survives(before: str, secret: str, after: str) -> None:
    masked = redact(f"{before} {secret} {after}", secrets=[secret])
    assert secret not in masked.replace(MASK, "")
