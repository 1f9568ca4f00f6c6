"""Carries out one owed call, and stores what came of it in one transaction with the answer."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import orjson

from pcd.crm import doubt, ledger, linker, outbox
from pcd.crm.calls import CallKind
from pcd.crm.conceder import update_without
from pcd.crm.copy import contact_row, customer_id_in, opportunity_row
from pcd.crm.diff import body, contact_shown, opportunity_shown
from pcd.crm.finder import Finder
from pcd.crm.match import Adopt, Candidate, Conflict, Keys, Linked
from pcd.crm.puller import store_in
from pcd.crm.scribe import Scribe
from pcd.db import queries
from pcd.errors import ControlError, Duplicate, NoAnswer, Rejected
from pcd.ghl.classify import is_missing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from pcd.crm.desired import Fields
    from pcd.crm.lanes import Lanes
    from pcd.crm.match import Match
    from pcd.crm.outbox import Owed
    from pcd.crm.settings import CrmSettings
    from pcd.db.leases import Lease
    from pcd.db.pool import Connection, Database
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact, Opportunity
    from pcd.redis.cache import Cache

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.crm")


class Performer:
    """Speaks to GoHighLevel under *lease*.

    *settings* yields the present ones; *is_settled* whether our copies of their contacts are complete, so
    that looking for one there would tell nothing new; *lacks_stage* whether the stage that fields name is
    gone. *cache* keeps the ids of contacts for other processes.
    """

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        db: Database,
        client: GoHighLevel,
        *,
        lease: Lease,
        lanes: Lanes,
        settings: Callable[[], CrmSettings],
        is_settled: Callable[[], bool],
        lacks_stage: Callable[[Fields], Awaitable[bool]],
        cache: Cache | None = None,
    ) -> None:
        self._db = db
        self._client = client
        self._lease = lease
        self._lanes = lanes
        self._settings = settings
        self._is_settled = is_settled
        self._lacks_stage = lacks_stage
        self._scribe = Scribe(client)
        self._finder = Finder(client, settings=settings, cache=cache)

    async def perform(self, call: Owed) -> str:
        """Store the answer to *call* and return "", or what it waits for; raises UpstreamError for none."""
        match CallKind(call.kind):
            case CallKind.CREATE_CONTACT:
                await self._create_contact(call)
            case CallKind.UPDATE_CONTACT:
                await self._update_contact(call)
            case CallKind.CREATE_OPPORTUNITY:
                await self._create_opportunity(call)
            case CallKind.UPDATE_OPPORTUNITY | CallKind.RESET_OPPORTUNITY:
                await self._update_opportunity(call)
            case _:
                return await self._do_for_step(call)
        return ""

    async def _do_for_step(self, call: Owed) -> str:
        contact_id = await self._db.fetchval(_SQL["contact_for_step"], call.customer_id)
        if not contact_id:
            return "the customer has no GoHighLevel contact (yet)"
        done = await self._scribe.do(call, contact_id)
        async with self._storing() as connection:
            await outbox.answer(connection, call, target_id=done or contact_id, after=call.fields)
        return ""

    async def adopt(self, customer_id: int, contact: Contact) -> None:
        """Link the customer to *contact*: a person said so. Raises ControlError when it is another's."""
        deals = await self._client.opportunities_of(contact.id)
        async with self._storing() as connection:
            await self._copy(connection, contacts=[contact], opportunities=deals)
            await ledger.unlink_contact(connection, customer_id)
            if not await ledger.link(connection, customer_id, contact.id, by="person"):
                owner = await connection.fetchval(_SQL["owner_of"], contact.id)
                raise ControlError(f"contact {contact.id} is that of customer {owner}", code="refused")

    async def _create_contact(self, call: Owed) -> None:
        if await self._contact_of(call):
            await self._replan(call, "the customer is linked by now")
            return
        if call.is_doubtful or not self._is_settled():
            met = await self._finder.find(call)
            if await self._accept(call, met, self._judge(call, met)):
                return
        try:
            made = await self._client.create_contact(body(call.fields), low_priority=call.is_low_priority)
        except Duplicate as error:
            await self._adopt_duplicate(call, error)
            return
        except Rejected as error:
            if not doubt.may_be_done(error) or not await self._was_made(call):
                raise
            return
        await self._finder.remember(call, made)
        async with self._storing() as connection:
            await outbox.answer(connection, call, target_id=made.id, after=_written(call, made))
            await self._copy(connection, contacts=[made])
            await ledger.link(connection, _customer(call), made.id, by="created")
            await ledger.apply_contact(connection, _customer(call), call.fields)

    async def _was_made(self, call: Owed) -> bool:
        """Whether a contact that was refused is there all the same; it is taken then."""
        met = await self._finder.find(call)
        verdict = self._judge(call, met)
        return isinstance(verdict, Adopt) and await self._accept(call, met, verdict)

    def _judge(self, call: Owed, met: Iterable[Contact]) -> Match:
        settings = self._settings()
        keys = Keys(
            customer_id=_customer(call), email=call.fields.get("email"), phone=call.fields.get("phone")
        )
        field = settings.custom_fields.customer or ""
        candidates = [
            Candidate(
                id=contact.id,
                email=contact.email,
                phone=contact.phone,
                customer_id=customer_id_in(contact.custom_fields, field),
            )
            for contact in met
        ]
        return linker.judge(keys, candidates, settings)

    async def _accept(self, call: Owed, met: Sequence[Contact], verdict: Match) -> bool:
        """Adopt or park as *verdict* says; return False when nobody there is the customer."""
        if isinstance(verdict, Conflict):
            await self._park(call, verdict, met)
            return True
        if isinstance(verdict, (Adopt, Linked)):
            by = verdict.by if isinstance(verdict, Adopt) else "link"
            await self._adopt(call, met, verdict.contact_id, by=by)
            return True
        return False

    async def _adopt_duplicate(self, call: Owed, error: Duplicate) -> None:
        """Take the contact that GoHighLevel says is there already."""
        if not error.existing_id:
            raise error
        existing = await self._client.get_contact(error.existing_id, low_priority=call.is_low_priority)
        if existing is None:
            raise NoAnswer(
                "A contact was refused as a duplicate of one that is not there", service=error.service
            ) from error
        verdict = self._judge(call, [existing])
        if not await self._accept(call, [existing], verdict):
            await self._adopt(call, [existing], existing.id, by=error.matching_field or "duplicate")

    async def _adopt(self, call: Owed, met: Sequence[Contact], contact_id: str, *, by: str) -> None:
        """Link the customer to a contact that is there; what it lacks follows from a new plan."""
        deals = await self._client.opportunities_of(contact_id, low_priority=call.is_low_priority)
        async with self._storing() as connection:
            await self._copy(connection, contacts=met, opportunities=deals)
            if await ledger.link(connection, _customer(call), contact_id, by=by):
                shown = next(contact_shown(contact) for contact in met if contact.id == contact_id)
                if ours := doubt.maker(await doubt.tries(connection, call), shown):
                    await ledger.apply_contact(connection, _customer(call), ours)
                await outbox.drop(connection, call, reason=f"adopted contact {contact_id}, found by {by}")
                await ledger.mark(connection, call)
            else:
                owner = await connection.fetchval(_SQL["owner_of"], contact_id)
                reason = f"the contact is that of customer {owner} already"
                await self._park_in(connection, call, Conflict(reason=reason, contacts={contact_id: (by,)}))
        self._lanes.tell_dirty()

    async def _park(self, call: Owed, conflict: Conflict, met: Sequence[Contact]) -> None:
        async with self._storing() as connection:
            await self._copy(connection, contacts=met)
            await self._park_in(connection, call, conflict)

    async def _park_in(self, connection: Connection, call: Owed, conflict: Conflict) -> None:
        contacts = orjson.dumps(msgspec.to_builtins(conflict.contacts)).decode()
        await connection.execute(_SQL["park"], _customer(call), conflict.reason, contacts)
        await outbox.drop(connection, call, reason=f"conflict: {conflict.reason}")
        _log.warning(
            "ghl: customer %s is parked: %s; `pcd ghl conflicts` lists it", call.customer_id, conflict.reason
        )

    async def _update_contact(self, call: Owed) -> None:
        contact_id = call.target_id or await self._contact_of(call)
        if not contact_id:
            await self._replan(call, "the customer is not linked any more")
            return
        try:
            shown = await self._client.update_contact(
                contact_id, body(call.fields), low_priority=call.is_low_priority
            )
        except Duplicate as error:
            shown = await update_without(self._client, call, contact_id, error)
        except Rejected as error:
            if is_missing(error):
                await self._lose_contact(call, contact_id)
                return
            there = await self._client.get_contact(contact_id) if doubt.may_be_done(error) else None
            if there is None or not doubt.shows(contact_shown(there), call.fields):
                raise
            shown = there
        async with self._storing() as connection:
            await outbox.answer(connection, call, target_id=contact_id, after=_written(call, shown))
            await self._copy(connection, contacts=[shown])
            if call.customer_id is not None and call.is_planned:
                await ledger.apply_contact(connection, call.customer_id, call.fields)

    async def _lose_contact(self, call: Owed, contact_id: str) -> None:
        """GoHighLevel has the contact no more: what should stand there is made anew."""
        await self._finder.forget(call)
        async with self._storing() as connection:
            await connection.execute(_SQL["lose_contact"], contact_id)
            if call.customer_id is not None:
                await ledger.unlink_contact(connection, call.customer_id)
            await outbox.drop(connection, call, reason=f"contact {contact_id} is gone")
            await ledger.mark(connection, call)
        self._lanes.tell_dirty()

    async def _create_opportunity(self, call: Owed) -> None:
        contact_id = await self._contact_of(call)
        if not contact_id:
            await self._replan(call, "the customer is not linked any more")
            return
        if call.is_doubtful and await self._was_opened(call, contact_id):
            return
        fields = {**body(call.fields), "contactId": contact_id}
        try:
            made = await self._client.create_opportunity(fields, low_priority=call.is_low_priority)
        except Duplicate as error:
            await self._adopt_opportunity(call, error)
            return
        except Rejected as error:
            if await self._has_nowhere(call, error):
                return
            if is_missing(error) and await self._client.get_contact(contact_id) is None:
                await self._lose_contact(call, contact_id)
                return
            if not doubt.may_be_done(error):
                raise
            raise NoAnswer(str(error), service=error.service) from error
        async with self._storing() as connection:
            await outbox.answer(connection, call, target_id=made.id, after=_written(call, made))
            await self._copy(connection, opportunities=[made])
            await self._apply_opportunity(connection, call, made.id)

    async def _was_opened(self, call: Owed, contact_id: str) -> bool:
        """Whether an earlier try has made the opportunity; it is taken then, as that try wrote it."""
        deals = await self._client.opportunities_of(contact_id, low_priority=call.is_low_priority)
        async with self._storing() as connection:
            await self._copy(connection, opportunities=deals)
            known = {row["ghl_id"] for row in await connection.fetch(_SQL["known_deals"], contact_id)}
            made = doubt.opened(
                [deal for deal in deals if deal.id not in known], await doubt.tries(connection, call)
            )
            if made is None:
                return False
            await outbox.answer(connection, call, target_id=made.id, after=(there := _written(call, made)))
            await self._apply_opportunity(connection, replace(call, fields=there), made.id)
            await ledger.mark(connection, call)
        self._lanes.tell_dirty()
        return True

    async def _adopt_opportunity(self, call: Owed, error: Duplicate) -> None:
        """Take the opportunity that GoHighLevel says is there already for the cycle."""
        if not error.existing_id or call.cycle is None:
            raise error
        existing = await self._client.get_opportunity(error.existing_id, low_priority=call.is_low_priority)
        if existing is None:
            raise NoAnswer(
                "An opportunity was refused as a duplicate of one that is not there", service=error.service
            ) from error
        async with self._storing() as connection:
            await self._copy(connection, opportunities=[existing])
            await ledger.apply_opportunity(
                connection, _customer(call), call.cycle, opportunity_id=existing.id, fields=None
            )
            await outbox.drop(connection, call, reason=f"adopted opportunity {existing.id}")
            await ledger.mark(connection, call)
        self._lanes.tell_dirty()

    async def _update_opportunity(self, call: Owed) -> None:
        target = call.target_id or await self._opportunity_of(call)
        if not target:
            await self._replan(call, "the opportunity is not known any more")
            return
        try:
            shown = await self._client.update_opportunity(
                target, body(call.fields), low_priority=call.is_low_priority
            )
        except Rejected as error:
            if is_missing(error):
                await self._lose_opportunity(call, target)
                return
            if await self._has_nowhere(call, error):
                return
            there = await self._client.get_opportunity(target) if doubt.may_be_done(error) else None
            if there is None or not doubt.shows(opportunity_shown(there), call.fields):
                raise
            shown = there
        async with self._storing() as connection:
            await outbox.answer(connection, call, target_id=target, after=_written(call, shown))
            await self._copy(connection, opportunities=[shown])
            await self._apply_opportunity(connection, call, target)

    async def _has_nowhere(self, call: Owed, error: Rejected) -> bool:
        """Whether *call* was refused because its stage is gone; a plan that waits for it takes its place."""
        if doubt.may_be_done(error) or not call.is_planned or not await self._lacks_stage(call.fields):
            return False
        await self._replan(call, f"its stage is gone: {error}")
        return True

    async def _lose_opportunity(self, call: Owed, target: str) -> None:
        """GoHighLevel has the opportunity no more: what should stand there is made anew."""
        async with self._storing() as connection:
            await connection.execute(_SQL["lose_opportunity"], target)
            if call.customer_id is not None:
                await ledger.unlink_opportunity(connection, call.customer_id, target)
            await outbox.drop(connection, call, reason=f"opportunity {target} is gone")
            await ledger.mark(connection, call)
        self._lanes.tell_dirty()

    async def _apply_opportunity(self, connection: Connection, call: Owed, opportunity_id: str) -> None:
        if call.customer_id is None or call.cycle is None or not call.is_planned:
            return
        await ledger.apply_opportunity(
            connection, call.customer_id, call.cycle, opportunity_id=opportunity_id, fields=call.fields
        )

    async def _contact_of(self, call: Owed) -> str:
        return await self._db.fetchval(_SQL["contact_of"], call.customer_id) or ""

    async def _opportunity_of(self, call: Owed) -> str | None:
        found: str | None = await self._db.fetchval(
            _SQL["opportunity_of"], call.customer_id, call.reuses or call.cycle
        )
        return found

    async def _replan(self, call: Owed, reason: str) -> None:
        """Things are not as they were when *call* was planned: a new plan takes its place."""
        async with self._storing() as connection:
            await outbox.drop(connection, call, reason=reason)
            await ledger.mark(connection, call)
        self._lanes.tell_dirty()

    async def _copy(
        self,
        connection: Connection,
        *,
        contacts: Sequence[Contact] = (),
        opportunities: Sequence[Opportunity] = (),
    ) -> None:
        field = self._settings().custom_fields.customer or ""
        rows = [contact_row(contact, customer_field=field) for contact in contacts]
        await store_in(connection, "contacts", rows)
        await store_in(connection, "opportunities", [opportunity_row(each) for each in opportunities])

    @asynccontextmanager
    async def _storing(self) -> AsyncGenerator[Connection]:
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            yield connection


def _customer(call: Owed) -> int:
    assert call.customer_id is not None, "only a customer's contact is ever made"
    return call.customer_id


def _written(call: Owed, shown: Contact | Opportunity) -> Fields:
    """Return the fields that *call* wrote as GoHighLevel shows them now."""
    from pcd.ghl.shapes import Contact

    fields = contact_shown(shown) if isinstance(shown, Contact) else opportunity_shown(shown)
    return {name: fields.get(name) for name in call.fields}
