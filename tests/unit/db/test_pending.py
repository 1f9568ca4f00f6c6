from __future__ import annotations

import pytest

from pcd.db.migrate import Migration, check_version, migrations, pending
from pcd.errors import ConfigError

ONE = Migration(1, "one", "SELECT 1")
TWO = Migration(2, "two", "SELECT 2")


def test_what_was_not_applied_is_pending() -> None:
    assert pending((ONE, TWO), {}) == (ONE, TWO)
    assert pending((ONE, TWO), {1: ("one", ONE.checksum)}) == (TWO,)


def test_an_edited_migration_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigError, match=r"migration 0001 \(one\) was edited"):
        pending((ONE, TWO), {1: ("one", "other")})


def test_a_migration_from_the_future_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"newer pcd \(migration 0003, three\)"):
        pending((ONE, TWO), {3: ("three", "x")})


def test_a_server_that_is_too_old_is_refused() -> None:
    check_version(150000)
    with pytest.raises(ConfigError, match="the server is PostgreSQL 14, pcd needs 15 or newer"):
        check_version(140012)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [each.number for each in migrations()] == list(range(1, len(migrations()) + 1))
