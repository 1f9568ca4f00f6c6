"""Records who wants no more text messages, and who wants them again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pcd.db import queries

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.db.pool import Connection, Database

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.messages")

REASON: Final = "STOP reply"
"""How ``opt_out_reason`` begins for what a reply said; what a person set has another reason and stays."""


class Stopper:
    """Writes opt-outs into the preferences table, and the number into a list that all customers share."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def stop(self, customer_id: int, address: str, *, reason: str, at: datetime) -> None:
        """Send no more text messages to *address* (E.164), nor to any customer who has that number."""
        async with self._db.transaction() as connection:
            await stop(connection, customer_id, address, reason=reason, at=at)


async def stop(connection: Connection, customer_id: int, address: str, *, reason: str, at: datetime) -> None:
    """Do what `Stopper.stop` does in a transaction that is under way."""
    told = f"{REASON}: {reason}"[:500]
    if address:
        await connection.execute(_SQL["stop_address"], address, told, at)
    await connection.execute(_SQL["opt_out"], await _sharers(connection, customer_id, address), at, told)
    _log.info("customer %d opted out of text messages", customer_id)


async def start(connection: Connection, customer_id: int, address: str) -> None:
    """Take back what an earlier reply from *address* said; what a person set stays."""
    await connection.execute(_SQL["unstop_address"], address)
    everybody = await _sharers(connection, customer_id, address)
    await connection.execute(_SQL["opt_in"], everybody, REASON)
    _log.info("customer %d opted in to text messages again", customer_id)


async def _sharers(connection: Connection, customer_id: int, address: str) -> list[int]:
    """Return the customer and everybody with that number; it is stored as ten digits in ServiceTitan."""
    digits = "".join(letter for letter in address if letter.isdigit())[-10:]
    rows = await connection.fetch(_SQL["sharers"], digits if len(digits) == 10 else "", customer_id)
    return sorted({customer_id, *(row["customer_id"] for row in rows)})
