"""Makes the customer a GoHighLevel contact, or brings the contact up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.actions.ower import DISABLED
from pcd.actions.parameters import UpsertContact as Parameters
from pcd.crm.switch import Mode
from pcd.db import queries
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.ower import Ower
    from pcd.db.pool import Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

_SQL = queries.load("pcd.actions")
_CRM = queries.load("pcd.crm")


class UpsertContact:
    """``upsert_contact``: the customer takes part from now on, and what is missing is found out and owed.

    A contact that is already as it should be costs no call.
    """

    name = "upsert_contact"
    parameters = Parameters
    is_message = False

    def __init__(self, db: Database, ower: Ower) -> None:
        self._db = db
        self._ower = ower

    async def perform(self, call: StepCall) -> Outcome:
        """Have the customer considered soon."""
        if call.customer_id is None:
            return Fail(error="the event names no customer")
        if call.dry_run:
            return Done(output={"would_consider": call.customer_id})
        async with self._db.transaction() as connection:
            if await self._ower.mode(connection) is Mode.OFF:
                return Fail(error=DISABLED)
            cause = f"workflow {call.workflow} step {call.step}"
            await connection.execute(_SQL["admit"], call.customer_id, cause)
            await connection.execute(_CRM["mark"], [call.customer_id], [cause], [call.event_id])
        return Done(output={"considered": call.customer_id})

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        del parameters
        return "make the customer a contact, or bring the contact up to date"
