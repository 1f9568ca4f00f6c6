"""Puts the rows of a read-only SELECT into the context."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import orjson

from pcd.actions.parameters import Query as Parameters
from pcd.db.errors import message
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.teller import Teller
    from pcd.db.pool import Connection, Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

LARGEST = 64 * 2**10
"""Bytes of JSON that one query may put into a context, which is carried along and stored with each step."""

_PATIENCE = timedelta(seconds=10)
_MARGIN = timedelta(seconds=2)
_FACT = re.compile(r"\{\{?\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}?\}")
_READS = re.compile(r"\s*(SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE)
# Classes of SQLSTATE: unsupported, cardinality, data, a write in a read-only transaction, syntax and rights.
_WRONG = ("0A", "21", "22", "25006", "42")


class _Undone(Exception):
    """Ends a transaction of which nothing may remain."""


class QueryAction:
    """``query``: parameters are bound, never part of the statement's text."""

    name = "query"
    parameters = Parameters
    is_message = False

    def __init__(self, db: Database, teller: Teller) -> None:
        self._db = db
        self._teller = teller

    async def perform(self, call: StepCall) -> Outcome:
        """Read the rows, in a transaction that cannot write, ends after some seconds and is undone.

        A database that cannot now raises StoreError, which is tried again.
        """
        told = cast("Parameters", call.parameters)
        if not _READS.match(told.sql):
            return Fail(error="query: only SELECT (WITH, VALUES, TABLE) can be asked")
        try:
            values = [await self._value(call, one) for one in told.parameters]
            rows = await self._read(told.sql, values, limit=told.max_rows + 1)
        except ValueError as error:
            return Fail(error=f"query: {error}")
        if len(rows) > told.max_rows:
            return Fail(error=f"query: more than {told.max_rows} rows (max_rows)")
        encoded = orjson.dumps(rows, default=str, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
        if len(encoded) > LARGEST:
            return Fail(error=f"query: {len(encoded):,} bytes; a context takes {LARGEST:,} from one query")
        found = orjson.loads(encoded)
        result = (found[0] if found else None) if told.single else found
        return Done(output={"rows": len(found)}, context={told.into: result})

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        told = cast("Parameters", parameters)
        return f"read into {told.into}: {' '.join(told.sql.split())[:120]}"

    async def _value(self, call: StepCall, parameter: object) -> object:
        match = _FACT.fullmatch(parameter) if isinstance(parameter, str) else None
        if match is None:
            return parameter
        return (await self._teller.facts(call, [match[1]]))[match[1]]

    async def _read(self, sql: str, values: list[object], *, limit: int) -> list[dict[str, Any]]:
        """Return the rows; whatever the statement did to the session is undone: others borrow it next."""
        rows: list[dict[str, Any]] = []
        with suppress(_Undone):
            async with self._db.transaction(timeout=_PATIENCE + _MARGIN) as connection:
                await connection.execute("SET TRANSACTION READ ONLY")
                milliseconds = int(_PATIENCE.total_seconds() * 1000)
                await connection.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                try:
                    async with connection.transaction():
                        rows = await _ask(connection, sql, values, limit=limit)
                except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    if _is_wrong(error):
                        raise ValueError(message(error)) from error
                    raise
                finally:
                    # These are the session's, and outlive a rollback.
                    await connection.execute("SELECT pg_advisory_unlock_all()")
                raise _Undone
        return rows


async def _ask(connection: Connection, sql: str, values: list[object], *, limit: int) -> list[dict[str, Any]]:
    statement = await connection.prepare(sql)
    if (wanted := len(statement.get_parameters())) != len(values):
        raise ValueError(f"it takes {wanted} parameters, {len(values)} are given")
    cursor = await statement.cursor(*values)
    return [dict(row) for row in await cursor.fetch(limit)]


def _is_wrong(error: Exception) -> bool:
    """Whether the statement or a parameter is what is wrong, so that it would fail again."""
    return isinstance(error, asyncpg.DataError) or (getattr(error, "sqlstate", None) or "").startswith(_WRONG)
