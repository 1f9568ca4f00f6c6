"""Tells what earlier tries of a call to which nobody answered have left in GoHighLevel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from pcd.crm.diff import is_same
from pcd.db import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pcd.crm.desired import Fields
    from pcd.crm.outbox import Owed
    from pcd.db.pool import Connection
    from pcd.errors import Rejected
    from pcd.ghl.shapes import Opportunity

_SQL = queries.load("pcd.crm")
_UNPROCESSABLE = 422


def may_be_done(error: Rejected) -> bool:
    """Whether a call that was refused so may have been carried out all the same.

    Source: highlevel-api-docs, issue 64.
    """
    return error.status == _UNPROCESSABLE


async def tries(connection: Connection, call: Owed) -> list[Fields]:
    """Return what *call* is to create, and what those were to whose place it took; the newest first."""
    rows = await connection.fetch(_SQL["creations_of"], call.customer_id, call.kind, call.cycle, call.id)
    return [orjson.loads(row["fields"]) for row in rows]


def maker(tried: Iterable[Fields], shown: Fields) -> Fields | None:
    """Return which of those *tried* has made the record that is *shown*; None: somebody else has."""
    return next((fields for fields in tried if shows(shown, fields)), None)


def opened(there: Iterable[Opportunity], tried: Sequence[Fields]) -> Opportunity | None:
    """Return the opportunity *there* that one of those *tried* has made, None where none has."""
    wanted = {(fields.get("pipelineId"), fields.get("name")) for fields in tried}
    return next((one for one in there if (one.pipeline_id, one.name) in wanted), None)


def shows(shown: Fields, fields: Fields) -> bool:
    """Whether a record that is *shown* is as writing *fields* leaves it."""
    return all(is_same(shown.get(name), value) for name, value in fields.items())
