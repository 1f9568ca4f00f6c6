"""Considers customers: what should stand in GoHighLevel for each, and which calls bring it about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec
import orjson

from pcd.crm import inheritor, ledger, linker
from pcd.crm.calls import Applied, Entity, Plan
from pcd.crm.desire import desire
from pcd.crm.diff import diff
from pcd.crm.linker import Found
from pcd.crm.match import Conflict
from pcd.crm.outbox import LOW, NORMAL, Exchange, Why
from pcd.crm.reader import facts_of
from pcd.crm.restrict import ASKED_FOR, restrict
from pcd.crm.switch import Mode
from pcd.db import queries
from pcd.errors import LeaseLost, StoreError
from pcd.supervisor import root_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pcd.clock import Clock
    from pcd.crm.calls import Current, Settled
    from pcd.crm.desired import Desired
    from pcd.crm.facts import CustomerFacts
    from pcd.crm.lanes import Lanes
    from pcd.crm.ledger import Account
    from pcd.crm.settings import CrmSettings
    from pcd.crm.switch import Switch
    from pcd.db.leases import Lease
    from pcd.db.pool import Connection, Database, Record

_SQL = queries.load("pcd.crm")

BACKFILL: Final = "backfill"
"""The cause of everything that a backfill brings about."""

_AT_ONCE = 100
# While more calls than this are owed, a backfill waits for the sender.
_ENOUGH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows for one customer. *found* is the contact that was found to be the customer's just now.

    *conflict*: nothing follows before a person has decided.
    """

    account: Account
    desired: Desired
    plan: Plan
    found: Found | None = None
    applied: Applied = field(default_factory=Applied)
    conflict: Conflict | None = None

    @property
    def current(self) -> Current:
        """What GoHighLevel shows of the customer, as far as it is known."""
        return self.found.current if self.found is not None else self.account.current


@dataclass(slots=True, kw_only=True)
class Considered:
    """How many customers were considered, and what came of it."""

    customers: int = 0
    created: int = 0
    updated: int = 0
    parked: int = 0
    held: int = 0

    @property
    def calls(self) -> int:
        """How many calls are newly owed."""
        return self.created + self.updated

    def count(self, decision: Decision, *, is_new: bool) -> None:
        """Take one customer in, for whom a new plan *is_new* or an old one still holds."""
        if is_new:
            creations = sum(call.kind.startswith("create") for call in decision.plan.calls)
            self.created += creations
            self.updated += len(decision.plan.calls) - creations
        self.parked += decision.conflict is not None
        self.held += bool(decision.plan.held)

    def add(self, other: Considered) -> None:
        """Take in what another batch came to."""
        self.customers += other.customers
        self.created += other.created
        self.updated += other.updated
        self.parked += other.parked
        self.held += other.held


class Reconciler:
    """Turns what is to be considered into owed calls, under *lease*. *settings* yields the present ones."""

    def __init__(
        self,
        db: Database,
        *,
        lease: Lease,
        switch: Switch,
        lanes: Lanes,
        settings: Callable[[], CrmSettings],
        clock: Clock,
    ) -> None:
        self._lanes = lanes
        # Two who plan for a customer at the same time would owe everything twice.
        self._turn = anyio.Lock(fast_acquire=True)
        self._db = db
        self._lease = lease
        self._switch = switch
        self._settings = settings
        self._clock = clock

    async def drain(self, ids: Sequence[int] | None = None) -> Considered:
        """Consider everybody who is to be now, or those of *ids*."""
        total = Considered()
        while True:
            done = await self.step(ids)
            total.add(done)
            if not done.customers:
                return total

    async def step(self, ids: Sequence[int] | None = None) -> Considered:
        """Consider the customers who have waited longest, some at a time."""
        if not self._switch.is_enabled:
            return Considered()
        async with self._turn:
            rows = await self._db.fetch(_SQL["dirty"], _AT_ONCE, ids, _ENOUGH, self._switch.dry_run)
            return await self._consider_in_turn(rows)

    async def consider(self, rows: Sequence[Record]) -> Considered:
        """Consider those of *rows*, some at most; the others stay marked."""
        if not rows or not self._switch.is_enabled:
            return Considered()
        async with self._turn:
            return await self._consider_in_turn(rows[:_AT_ONCE])

    async def _consider_in_turn(self, rows: Sequence[Record]) -> Considered:
        if not rows:
            return Considered()
        mode = Mode.LIVE if rows[0]["is_live"] else Mode.SHADOW
        async with self._lanes.considering([row["customer_id"] for row in rows]):
            considered = await self._consider(rows, mode)
        self._lanes.tell_owed()
        return considered

    async def _consider(self, rows: Sequence[Record], mode: Mode) -> Considered:
        settings, whys = self._settings(), {row["customer_id"]: _why(row) for row in rows}
        accounts, facts = await _read(self._db, list(whys), settings)
        sending = {account.customer_id for account in accounts.values() if account.is_sending}
        rows = [row for row in rows if row["customer_id"] not in sending]
        accounts = {customer_id: one for customer_id, one in accounts.items() if not one.is_sending}
        accounts = await self._hand_over(accounts, facts)
        decisions = await decide_for(self._db, accounts, facts, settings=settings, now=self._clock.now())
        second = _second(decisions)
        decisions = [each for each in decisions if each.account.customer_id not in second]
        rows = [row for row in rows if row["customer_id"] not in second]
        considered, exchange = Considered(customers=len(rows)), Exchange()
        for decision in decisions:
            why = whys[decision.account.customer_id]
            is_new = exchange.replace(
                decision.account, decision.plan.calls, current=decision.current, why=why, mode=mode
            )
            considered.count(decision, is_new=is_new)
        await self._store(rows, decisions, exchange, mode)
        return considered

    async def _hand_over(
        self, accounts: Mapping[int, Account], facts: Mapping[int, CustomerFacts]
    ) -> Mapping[int, Account]:
        """Let merged customers hand over; return the accounts that are still as they were read."""
        merged = {
            customer_id: one.merged_into
            for customer_id, one in facts.items()
            if one.merged_into is not None and customer_id in accounts and accounts[customer_id].is_linked
        }
        if not merged:
            return accounts
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            done = await inheritor.hand_over(connection, merged)
        changed = {*done, *done.values()}
        return {
            customer_id: account for customer_id, account in accounts.items() if customer_id not in changed
        }

    async def _store(
        self, rows: Sequence[Record], decisions: Sequence[Decision], exchange: Exchange, mode: Mode
    ) -> None:
        arguments = (
            self._lease.name,
            self._lease.term,
            orjson.dumps([_remembered(each) for each in decisions], default=str).decode(),
            exchange.outdated,
            orjson.dumps(exchange.calls, default=str).decode(),
            [row["customer_id"] for row in rows],
            [row["marks"] for row in rows],
        )
        if self._lease.lost:
            raise LeaseLost(self._lease.lost)
        if all(each.found is None and each.conflict is None and not each.plan.settled for each in decisions):
            stored = await self._db.fetchrow(_SQL["settle"], *arguments)
        else:
            async with self._db.transaction() as connection:
                stored = await connection.fetchrow(_SQL["settle"], *arguments)
                for decision in decisions:
                    await _note(connection, decision, mode)
        if stored is None:
            self._lease.lose(f"lease {self._lease.name}: another process has taken it over")
            raise LeaseLost(self._lease.lost)


async def decide(db: Database, ids: Sequence[int], *, settings: CrmSettings, now: datetime) -> list[Decision]:
    """Return what follows for those of *ids* who take part; writes nothing, here or there."""
    accounts, facts = await _read(db, ids, settings)
    return await decide_for(db, accounts, facts, settings=settings, now=now)


async def _read(
    db: Database, ids: Sequence[int], settings: CrmSettings
) -> tuple[Mapping[int, Account], Mapping[int, CustomerFacts]]:
    """Return what is remembered of customers, and their facts, asked for at the same time."""
    accounts: Mapping[int, Account] = {}

    async def recall() -> None:
        nonlocal accounts
        accounts = await ledger.read_accounts(db, ids)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(recall)
            facts = await facts_of(db, ids, install_names=settings.install_names)
    except ExceptionGroup as error:
        raise root_cause(error) from error
    return accounts, facts


async def decide_for(
    db: Database,
    accounts: Mapping[int, Account],
    facts: Mapping[int, CustomerFacts],
    *,
    settings: CrmSettings,
    now: datetime,
) -> list[Decision]:
    """Return what follows from *facts* for *accounts*; customers that the mirror lacks are left out."""
    facts = _shown(accounts, facts, settings)
    known = [account for account in accounts.values() if account.customer_id in facts]
    wishes = {
        account.customer_id: _wish(facts[account.customer_id], account, settings, now) for account in known
    }
    keys = [
        one
        for account in known
        if not account.is_linked and (one := linker.keys_of(wishes[account.customer_id])) is not None
    ]
    found = dict(await linker.look(db, keys, settings)) if keys else {}
    for account in known:
        if account.applied.contact_id is not None and not account.applied.opportunities:
            found[account.customer_id] = await linker.read_found(db, account.applied.contact_id, by="")
    return [
        _decision(facts[account.customer_id], account, wishes[account.customer_id], found, settings, now)
        for account in known
    ]


def _shown(
    accounts: Mapping[int, Account], facts: Mapping[int, CustomerFacts], settings: CrmSettings
) -> dict[int, CustomerFacts]:
    """Return the facts that the switches let through, of those customers of whom they let any through."""
    shown = {}
    for account in accounts.values():
        whole = facts.get(account.customer_id)
        if whole is not None and account.admitted_by not in ASKED_FOR:
            whole = restrict(whole, account.history, settings)
        if whole is not None:
            shown[account.customer_id] = whole
    return shown


def _wish(
    facts: CustomerFacts, account: Account, settings: CrmSettings, now: datetime, *, is_linked: bool = False
) -> Desired:
    if account.backfill_since is not None:
        settings = replace(settings, backfill_since=account.backfill_since)
    return desire(facts, settings, now=now, history=account.history, is_linked=is_linked or account.is_linked)


def _decision(
    facts: CustomerFacts,
    account: Account,
    desired: Desired,
    found: Mapping[int, Found | Conflict],
    settings: CrmSettings,
    now: datetime,
) -> Decision:
    match found.get(account.customer_id):
        case Conflict() as conflict:
            return Decision(account=account, desired=desired, plan=Plan(), conflict=conflict)
        case Found() as one:
            desired = _wish(facts, account, settings, now, is_linked=True)
            applied = replace(one.applied(desired, settings), contact=account.applied.contact)
            plan = diff(applied, one.current, desired, settings)
            return Decision(account=account, desired=desired, plan=plan, found=one, applied=applied)
        case None:
            plan = diff(account.applied, account.current, desired, settings)
            return Decision(account=account, desired=desired, plan=plan)


async def _note(connection: Connection, decision: Decision, mode: Mode) -> None:
    """Store what is now known of a customer besides the calls."""
    customer_id = decision.account.customer_id
    if decision.conflict is not None:
        contacts = orjson.dumps(msgspec.to_builtins(decision.conflict.contacts)).decode()
        await connection.execute(_SQL["park"], customer_id, decision.conflict.reason, contacts)
        return
    if decision.found is not None:
        if not decision.account.is_linked:
            contact_id = decision.found.contact_id
            if not await ledger.link(connection, customer_id, contact_id, by=decision.found.by):
                raise StoreError(
                    f"contact {contact_id} was linked to another customer meanwhile; looking again"
                )
        for cycle, opportunity in decision.applied.opportunities.items():
            await ledger.apply_opportunity(
                connection, customer_id, cycle, opportunity_id=opportunity.id, fields=None
            )
    if mode is Mode.LIVE:
        for settled in decision.plan.settled:
            await _apply(connection, customer_id, settled)


async def _apply(connection: Connection, customer_id: int, settled: Settled) -> None:
    if settled.entity is Entity.CONTACT:
        await ledger.apply_contact(connection, customer_id, settled.fields)
    elif settled.cycle is not None:
        await ledger.apply_opportunity(
            connection, customer_id, settled.cycle, opportunity_id=None, fields=settled.fields
        )


def _second(decisions: Sequence[Decision]) -> set[int]:
    """Return the customers who were found to be a contact that another one is to be linked to just now.

    They are considered once more, when it is known whose it is.
    """
    first: dict[str, int] = {}
    second = set()
    for decision in decisions:
        if decision.found is not None and not decision.account.is_linked:
            customer_id = decision.account.customer_id
            if first.setdefault(decision.found.contact_id, customer_id) != customer_id:
                second.add(customer_id)
    return second


def _remembered(decision: Decision) -> dict[str, Any]:
    plan, is_parked = decision.plan, False
    if decision.conflict is not None:
        plan, is_parked = replace(plan, held=(f"conflict: {decision.conflict.reason}",)), True
    return {**ledger.remembered(decision.desired, plan), "is_parked": is_parked}


def _why(row: Record) -> Why:
    priority = LOW if row["cause"] == BACKFILL else NORMAL
    return Why(cause=row["cause"], event_id=row["event_id"], priority=priority)
