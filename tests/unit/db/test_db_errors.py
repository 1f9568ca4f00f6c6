from __future__ import annotations

import asyncpg
import pytest

from pcd.db.errors import refuses_data, translate, translate_connecting
from pcd.errors import ConfigError, DataRejected, PcdError, StoreError, StoreUnreachable, StoreUnusable


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (asyncpg.StringDataRightTruncationError("too long"), DataRejected),
        (asyncpg.UniqueViolationError("twice"), DataRejected),
        (asyncpg.StatementTooComplexError("too deep"), DataRejected),
        (asyncpg.RaiseError("not in our house"), DataRejected),
        (asyncpg.UndefinedColumnError("dropped"), StoreUnusable),
        (asyncpg.DatatypeMismatchError("retyped"), StoreUnusable),
        (asyncpg.InvalidCachedStatementError("altered"), StoreError),
        (asyncpg.DeadlockDetectedError("deadlock"), StoreError),
        (asyncpg.SerializationError("again"), StoreError),
        (asyncpg.LockNotAvailableError("busy"), StoreError),
        (asyncpg.QueryCanceledError("timeout"), StoreError),
        (asyncpg.DiskFullError("full"), StoreUnusable),
        (asyncpg.ReadOnlySQLTransactionError("standby"), StoreUnusable),
        (asyncpg.AdminShutdownError("going down"), StoreUnreachable),
        (asyncpg.CannotConnectNowError("starting up"), StoreUnreachable),
        (asyncpg.TooManyConnectionsError("no slot"), StoreUnreachable),
        (asyncpg.ConnectionDoesNotExistError("gone"), StoreUnreachable),
        (asyncpg.InterfaceError("connection is closed"), StoreUnreachable),
        (asyncpg.InternalClientError("cannot switch to state 12"), StoreUnreachable),
        (ConnectionResetError("reset"), StoreUnreachable),
        (asyncpg.PostgresSyntaxError("a bug"), None),
        (asyncpg.InterfaceError("another operation is in progress"), None),
        (TimeoutError(), None),
        (FileNotFoundError(), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_is_translated_by_what_happened(error: BaseException, ours: type[PcdError] | None) -> None:
    found = translate(error)
    assert (type(found) if found is not None else None) is ours
    assert refuses_data(error) is (ours is DataRejected)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (FileNotFoundError(2, "No such file or directory"), StoreUnreachable),
        (ConnectionRefusedError(111, "Connection refused"), StoreUnreachable),
        (TimeoutError(), StoreUnreachable),
        (UnicodeError("label empty or too long"), ConfigError),
        (asyncpg.InvalidPasswordError("no"), ConfigError),
        (asyncpg.InvalidCatalogNameError("no"), ConfigError),
        (asyncpg.CannotConnectNowError("starting up"), StoreUnreachable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_while_connecting_tells_refused_from_absent(
    error: BaseException, ours: type[PcdError]
) -> None:
    assert type(translate_connecting(error, "postgresql:///pcd")) is ours


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://pcd:se@cret@db.example:5433/pcd", "db.example:5433"),
        ("postgresql://pcd@/pcd?host=/run/pcd%20db&port=5432", "/run/pcd db"),
        ("postgresql://pcd@/pcd?host=%2Frun%2Fpostgresql", "/run/postgresql"),
        ("postgresql:///pcd", "localhost"),
        ("postgresql://[::1]:5432/pcd", "[::1]:5432"),
    ],
)
def test_an_absent_server_is_named_by_its_place_alone(url: str, place: str) -> None:
    told = str(translate_connecting(ConnectionRefusedError(111, "Connection refused"), url))
    assert told == f"PostgreSQL does not answer at {place}: Connection refused"


def test_a_full_disk_says_what_to_do() -> None:
    assert "free some space" in str(translate(asyncpg.DiskFullError("could not extend file")))
