"""Does to a contact what a step of a workflow asked for: notes, tags, tasks, their own workflows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pcd.crm.calls import CallKind
from pcd.errors import Rejected

if TYPE_CHECKING:
    from pcd.crm.outbox import Owed
    from pcd.ghl.client import GoHighLevel


class Scribe:
    """Writes with *client*. What an earlier try may have done is looked for before it is done again."""

    def __init__(self, client: GoHighLevel) -> None:
        self._client = client

    async def do(self, call: Owed, contact_id: str) -> str:
        """Carry out *call* and return the id of what was made, "" where nothing is."""
        fields, low = call.fields, call.is_low_priority
        match CallKind(call.kind):
            case CallKind.ADD_NOTE:
                return await self._add_note(call, contact_id)
            case CallKind.ADD_TASK:
                return await self._add_task(call, contact_id)
            case CallKind.ADD_TAGS:
                await self._client.add_tags(contact_id, fields["tags"], low_priority=low)
            case CallKind.REMOVE_TAGS:
                await self._client.remove_tags(contact_id, fields["tags"], low_priority=low)
            case CallKind.ENROL:
                await self._enrol(call, contact_id)
            case other:
                raise ValueError(f"{other} is no step's")
        return ""

    async def _add_note(self, call: Owed, contact_id: str) -> str:
        body, low = call.fields["body"], call.is_low_priority
        if call.is_doubtful:
            for note in await self._client.notes(contact_id, low_priority=low):
                if note.body == body:
                    return note.id
        return await self._client.add_note(contact_id, body, low_priority=low)

    async def _add_task(self, call: Owed, contact_id: str) -> str:
        fields, low = call.fields, call.is_low_priority
        due_at = datetime.fromisoformat(fields["due_at"])
        if call.is_doubtful:
            for task in await self._client.tasks(contact_id, low_priority=low):
                if task.title == fields["title"] and task.due_at == due_at:
                    return task.id
        return await self._client.add_task(
            contact_id,
            title=fields["title"],
            body=fields.get("body", ""),
            due_at=due_at,
            assigned_to=fields.get("assigned_to", ""),
            low_priority=low,
        )

    async def _enrol(self, call: Owed, contact_id: str) -> None:
        if call.is_doubtful and call.attempt > 1:
            # Their workflows write to customers, and nothing tells whether a contact is in one. The first
            # attempt after a person said retry is that person's word.
            text = "enrolling got no answer; look whether the contact is in the workflow before a retry"
            raise Rejected(text, service="GoHighLevel")
        await self._client.enrol(contact_id, call.fields["workflow_id"], low_priority=call.is_low_priority)
