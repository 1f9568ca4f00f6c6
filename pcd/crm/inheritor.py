"""Hands a merged customer's contact and opportunities over to the customer that it was merged into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.db import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.db.pool import Connection

_SQL = queries.load("pcd.crm")


async def hand_over(connection: Connection, merged: Mapping[int, int]) -> Mapping[int, int]:
    """Make what is remembered of each of *merged* that of its heir; return those for whom that was done.

    The heir goes on with the same contact, cycles and opportunities. Whoever has some already keeps them and
    inherits nothing, and while a call is owed or dead for one of the two it is left for later. Of several
    that were merged into one the first counts. The heirs are to be considered again.
    """
    rows = await connection.fetch(_SQL["heirs"], list(merged), list(merged.values()))
    done = {row["heir"]: row["customer_id"] for row in reversed(rows)}
    if done:
        heirs, gone = list(done), list(done.values())
        await connection.execute(_SQL["forget_heirs"], heirs)
        await connection.execute(_SQL["hand_over"], gone, heirs)
        await connection.execute(_SQL["mark"], heirs, ["customer_merged"] * len(heirs), [None] * len(heirs))
    return {customer_id: heir for heir, customer_id in done.items()}
