"""The one place where asyncpg's exceptions become ours."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg

from pcd.db.url import place
from pcd.errors import ConfigError, DataRejected, PcdError, StoreError, StoreUnreachable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Generator

# Classes of SQLSTATE that judge the value: data exception, constraint violation, a limit exceeded (nested
# too deeply, too long for an index), and what somebody's trigger fails with: a query that finds too many
# rows, no RETURN, what it raises itself. No state of PostgreSQL's own begins with one of these letters.
_DATA = ("22", "23", "54", "09", "21", "27", "2F", "38", "39", "44", "P0", *"IJKLMNOQRSTUVWYZ")
# Connection trouble: class 08, a server going down or coming up, no slot left.
_UNREACHABLE = ("57P01", "57P02", "57P03", "53300")
_REFUSED = ("28000", "28P01", "3D000")
# A right that is missing, a table that was altered, a standby: trouble of the installation, not a bug.
_INSTALLATION = {
    "42501": "the database role lacks a right",
    "42P01": "a table is missing; run `pcd db migrate`",
    "42703": "a column is missing; run `pcd db migrate`",
    "42804": "a column has another type than expected",
    "42883": "a column has another type than expected",
    "25006": "the server is read-only (a standby?)",
    "53100": "the disk that holds the database is full; free some space",
}
# Insufficient resources, operator intervention, system error, transaction rollback, lock not available.
_PASSING = ("53", "57", "58", "40", "55P03", "25P03", "XX001", "XX002")
# How a refused value stands in a message: of the server's, and of asyncpg's own.
_QUOTED = re.compile(r'(?<=: )".*"|(?<=^value )".*"')
_ARGUMENT = re.compile(r"(argument \$\d+): .*(?= \()")
_FOREIGN = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    UnicodeError,
)


def refuses_data(error: BaseException) -> bool:
    """Whether *error*, ours or asyncpg's, says that the value itself is refused and will be again."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error).startswith(_DATA)
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError) and not isinstance(error, asyncpg.ClientConfigurationError)
    return isinstance(error, DataRejected)


def message(error: BaseException) -> str:
    """Return what *error* says in one line, without the value that it refuses: that may be a customer's.

    The DETAIL of a server's message is left out too: it quotes rows.
    """
    text = " ".join(str(getattr(error, "message", None) or error).split())
    if refuses_data(error):
        text = _QUOTED.sub('"..."', _ARGUMENT.sub(r"\1", text))
    return text[:300]


def translate(error: BaseException) -> PcdError | None:
    """Return our name for *error*, or None where it is a bug of ours that should be seen as it is."""
    text = message(error)
    if refuses_data(error):
        return DataRejected(f"{text} ({_state(error)})" if _state(error) else text)
    if isinstance(error, asyncpg.PostgresError):
        return _translate_answer(error, text)
    if isinstance(error, asyncpg.InterfaceError) and "clos" in text:
        return StoreUnreachable(f"the connection to PostgreSQL is closed: {text}")
    if isinstance(error, asyncpg.InternalClientError):
        # The server's farewell came between two messages of ours: asyncpg loses count.
        return StoreUnreachable(f"the connection to PostgreSQL is out of step: {text}")
    if isinstance(error, ConnectionError):
        return StoreUnreachable(f"the connection to PostgreSQL broke: {text}")
    return None


def translate_connecting(error: BaseException, url: str) -> PcdError | None:
    """Return our name for *error*, which came while connecting to *url*: every OSError is the server's."""
    state = _state(error)
    if state in _REFUSED:
        return ConfigError(f"database.url: PostgreSQL refuses us: {getattr(error, 'message', error)}")
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigError(f"database.url: {error}")
    if isinstance(error, UnicodeError):
        return ConfigError("database.url: the host has no name that could be looked up")
    if isinstance(error, TimeoutError):
        return StoreUnreachable(f"PostgreSQL gave no connection in time at {place(url)}")
    if isinstance(error, OSError):
        return StoreUnreachable(f"PostgreSQL does not answer at {place(url)}: {error.strerror or error}")
    return translate(error)


@contextmanager
def translated(*, connecting: str = "") -> Generator[None, None, None]:
    """Raise our errors instead of asyncpg's; *connecting* is the URL to which the body connects."""
    try:
        yield
    except _FOREIGN as error:
        ours = translate_connecting(error, connecting) if connecting else translate(error)
        if ours is None:
            raise
        raise ours from error


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _translate_answer(error: asyncpg.PostgresError, text: str) -> PcdError | None:
    state = _state(error)
    if state.startswith("08") or state in _UNREACHABLE:
        return StoreUnreachable(f"the connection to PostgreSQL was lost: {text}")
    if state in _INSTALLATION:
        return StoreUnusable(f"{_INSTALLATION[state]}: {text} ({state})")
    # A table was altered: the driver prepares the statement anew for the next attempt.
    if state.startswith(_PASSING) or isinstance(error, asyncpg.InvalidCachedStatementError):
        return StoreError(f"{text} ({state})")
    return None
