"""Owes calls to GoHighLevel for steps, each once, through the outbox of the CRM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.crm.calls import Call
from pcd.crm.outbox import Why, owe
from pcd.crm.switch import Mode, Switch
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.config import GhlConfig
    from pcd.crm.calls import CallKind
    from pcd.db.pool import Connection, Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

DISABLED = "ghl.enabled is off, so nothing can be done in GoHighLevel"


class Ower:
    """Writes what a step owes; a key owes once. While the switch is off the call is only recorded."""

    def __init__(self, db: Database, settings: GhlConfig) -> None:
        self._db = db
        self._switch = Switch(settings)

    async def owe(
        self,
        call: StepCall,
        kind: CallKind,
        fields: Mapping[str, Any],
        *,
        key: str,
        target: str | None = None,
        why: str = "",
    ) -> Outcome:
        """Owe one call for the customer of *call*, behind what is owed for the customer already."""
        if call.customer_id is None:
            return Fail(error="the event names no customer")
        if call.dry_run:
            return Done(output={"would_owe": kind.value, "fields": dict(fields)})
        owed = Call(kind=kind, fields=dict(fields), target=target, why=why or f"step {call.step}")
        async with self._db.transaction() as connection:
            mode = await self.mode(connection)
            if mode is Mode.OFF:
                return Fail(error=DISABLED)
            cause = f"workflow {call.workflow} step {call.step}"
            reason = Why(cause=cause, event_id=call.event_id, step_key=key)
            number = await owe(connection, owed, customer_id=call.customer_id, why=reason, mode=mode)
        return Done(output={"call": number, "kind": kind.value, "dry_run": mode is Mode.SHADOW})

    async def mode(self, connection: Connection) -> Mode:
        """Return whether calls are sent, recorded, or not even that."""
        return await self._switch.mode(connection)
