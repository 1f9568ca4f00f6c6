"""Secrets stay out of everything that is printed."""

from __future__ import annotations

import logging

import pytest

from pcd.config import Secret, Url, load

HIDDEN = "hidden-value"


@pytest.mark.parametrize("show", [str, repr, "{}".format, lambda secret: f"{secret!s:>40}"])
def test_secret_is_not_shown(show: object) -> None:
    assert callable(show)
    assert HIDDEN not in show(Secret(HIDDEN))
    assert HIDDEN not in show(Url(f"postgresql://user:{HIDDEN}@host/name"))


def test_secret_reveals_itself_when_asked() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN
    assert Url("postgresql://u:a@b@h/d").reveal() == "postgresql://u:a%40b@h/d"


def test_secret_is_true_when_there_is_one() -> None:
    assert Secret(HIDDEN)
    assert not Secret()
    assert not Url()


def test_secrets_are_equal_by_text_and_kind() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != Url("a")
    assert hash(Secret("a")) == hash(Secret("a"))


def test_whole_configuration_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    config = load(
        None,
        {"SERVICE_TITAN_CLIENT_SECRET": HIDDEN, "DATABASE_URL": f"postgresql://user:{HIDDEN}@host/name"},
    )
    logging.getLogger("test").warning("%s %r", config, config)
    assert "host/name" in caplog.text
    assert HIDDEN not in caplog.text
