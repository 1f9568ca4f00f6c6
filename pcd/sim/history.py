"""The company's past, told from its first day until now in the order in which it happened."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING

from pcd.sim import money, people, sales, staff, trade, work
from pcd.sim.agenda import Agenda
from pcd.sim.money import Line
from pcd.sim.names import pick
from pcd.sim.visit import Sale, Visit, later

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from pcd.sim.people import Account, Site
    from pcd.sim.store import Store

_YEAR = timedelta(days=365.25)
_BOOKED_AHEAD = timedelta(days=12)
_DOUBLES = 50  # one customer of so many was entered twice
_BUSIEST = max(trade.SEASON)
_EQUIPPED = (
    (trade.PUMP, 0.95),
    (trade.FILTER, 0.9),
    (trade.SALT_CELL, 0.4),
    (trade.HEATER, 0.35),
    (trade.LED_LIGHT, 0.45),
    (trade.AUTOMATION, 0.2),
)
_MEMBERSHIP: dict[str, object] = {
    "followUpStatus": "NotAttempted",
    "initialDeferredRevenue": money.dollars(0),
    "duration": 12,
    "renewalDuration": 12,
    "billingFrequency": "Annual",
    "renewalBillingFrequency": "Annual",
    "membershipTypeId": staff.MEMBERSHIP_TYPE_ID,
    "activatedById": None,
    "activatedFromId": None,
    "billingTemplateId": None,
    "cancellationBalanceInvoiceId": None,
    "cancellationInvoiceId": None,
    "followUpCustomStatusId": None,
    "paymentMethodId": None,
    "paymentTypeId": None,
    "renewalMembershipTaskId": None,
    "renewedById": None,
    "soldById": None,
    "customerPo": None,
    "importId": None,
    "memo": None,
    "customFields": [],
}


class History:
    """Tells the past into a store; `tell` it once."""

    def __init__(self, store: Store, rng: Random, *, customers: int, since: datetime, now: datetime) -> None:
        """Plan *customers* customers to come between *since* and *now*."""
        self._store = store
        self._rng = rng
        self._since = since
        self._now = now
        self._agenda = Agenda()
        self._accounts: list[Account] = []
        self._customers = customers

    def tell(self) -> None:
        """Put everything that happened, in the order in which it did, so that ids grow with time."""
        span = self._now - self._since
        for serial in range(self._customers):
            share = self._rng.random()
            # Half of them were there when the company moved to this software.
            joined_after = span * (share * 0.06 if serial % 2 else share)
            self._agenda.add(self._since + joined_after, partial(self._join, serial))
        for _ in range(self._customers * 3 // 2):
            called_after = self._seasonal(self._since, self._now)
            self._agenda.add(called_after, self._stray_call)
        self._agenda.reach(self._now)
        for account in self._accounts:
            account.save(self._store)

    def _join(self, serial: int, at: datetime) -> None:
        account = people.invent(self._store, self._rng, at=at, serial=serial)
        twin = self._twin(account) if serial % _DOUBLES == _DOUBLES - 1 else None
        leaves_at = at + _YEAR * self._rng.random() * 4 if self._rng.random() < 0.08 else None
        if twin is None and leaves_at is not None and leaves_at <= self._now:
            account.active, account.modified_at = False, leaves_at
        if at - self._since < _YEAR * 0.3:
            account.legacy_id = f"L-{10_000 + serial}"
        people.settle_in(account, self._store, self._rng, serial=serial)
        self._accounts.append(account)
        if twin is not None:
            twin.sites += account.sites
            twin.touch(account.modified_at)
            return
        for site in account.sites:
            self._equip(account, site)
        self._plan(account, until=leaves_at if not account.active and leaves_at else self._now)

    def _twin(self, account: Account) -> Account | None:
        """Return whom *account* was merged into since, if it turned out to be a double."""
        if not self._accounts:
            return None
        twin = self._accounts[-1 - int(self._rng.random() * min(len(self._accounts), 300))]
        merged_at = account.created_at + timedelta(days=1 + self._rng.random() * 120)
        if merged_at > self._now or not twin.active:
            return None
        account.merged_to_id, account.active, account.modified_at = twin.id, False, merged_at
        return twin

    def _plan(self, account: Account, *, until: datetime) -> None:
        """Write into the agenda when the customer will want what."""
        rng, joined_at = self._rng, account.created_at
        years = (until - joined_at) / _YEAR
        if rng.random() < (0.5 if account.is_commercial else 0.33):
            enrolls_at = joined_at + timedelta(days=rng.random() * 90)
            self._agenda.add(enrolls_at, partial(self._enroll, account))
            for _ in range(int(years * 2.1 + rng.random())):
                self._book(account, trade.CARE, joined_at, until)
        for _ in range(int(years * (1.5 if account.is_commercial else 0.75) + rng.random())):
            self._book(account, pick(rng, trade.REPAIRS), joined_at, until)
        for _ in range(int(years * 0.19 + rng.random())):
            self._book(account, pick(rng, trade.CONSULTATIONS), joined_at, until)

    def _book(self, account: Account, kind: trade.JobType, joined_at: datetime, until: datetime) -> None:
        wanted_at = self._seasonal(joined_at, until + _BOOKED_AHEAD if account.active else until)
        start = later(wanted_at, days=0, rng=self._rng)
        booked_at = start - timedelta(days=0.2 + self._rng.random() * 10, seconds=self._rng.random() * 3_000)
        booked_at = max(booked_at, joined_at + timedelta(minutes=3))
        self._agenda.add(booked_at, partial(self._visit, account, kind, max(start, booked_at)))

    def _seasonal(self, since: datetime, until: datetime) -> datetime:
        """Return an instant between the two, more likely in the pool season."""
        at = since + (until - since) * self._rng.random()
        while self._rng.random() * _BUSIEST > trade.SEASON[at.month - 1]:
            at = since + (until - since) * self._rng.random()
        return at

    def _visit(
        self,
        account: Account,
        kind: trade.JobType,
        start: datetime,
        at: datetime,
        *,
        sale: Sale | None = None,
    ) -> None:
        if not account.active and account.modified_at < at:
            return
        visit = Visit(
            store=self._store,
            rng=self._rng,
            now=self._now,
            account=account,
            site=sale.site if sale else pick(self._rng, account.sites),
            kind=kind,
            booked_at=at,
            start=start,
            sale=sale,
        )
        sold = visit.tell()
        if sold:
            starts_at = later(sold.sold_at, days=9 + self._rng.random() * 30, rng=self._rng)
            books_at = sold.sold_at + timedelta(minutes=2 + self._rng.random() * 50)
            self._agenda.add(books_at, partial(self._visit, account, sold.kind, starts_at, sale=sold))

    def _enroll(self, account: Account, at: datetime) -> None:
        ends_at = at + _YEAR * (1 + int(self._rng.random() * 3)) if self._rng.random() < 0.3 else None
        is_over = ends_at is not None and ends_at <= self._now
        renewed = int((self._now - at) / _YEAR)
        account.membership_id = self._store.next_id()
        account.tags.append(staff.TAGS[1].id)
        record = _MEMBERSHIP | {
            "id": account.membership_id,
            "createdById": staff.AGENTS[0].id,
            "followUpOn": (at + _YEAR).date(),
            "cancellationDate": None,
            "from": at.date(),
            "nextScheduledBillDate": None if is_over else (at + _YEAR * (renewed + 1)).date(),
            "to": (ends_at or at + _YEAR * (renewed + 1)).date(),
            "status": "Expired" if is_over else "Active",
            "active": True,
            "businessUnitId": trade.POOL_SERVICE.id,
            "customerId": account.id,
            "locationId": account.sites[0].id,
            "recurringLocationId": account.sites[0].id,
        }
        changed_at = ends_at if ends_at and is_over else at + _YEAR * renewed
        self._store["memberships"].put(record, created_at=at, modified_at=changed_at)
        for year in range(5):
            bills_at = at + _YEAR * year
            if ends_at is None or bills_at < ends_at:
                self._agenda.add(bills_at, partial(self._bill_membership, account))

    def _bill_membership(self, account: Account, at: datetime) -> None:
        """Put the yearly invoice of a membership: the kind that has no job."""
        invoice = money.open_invoice(
            account,
            invoice_id=self._store.next_id(),
            site=account.sites[0],
            unit=trade.POOL_SERVICE,
            job=None,
            summary="Annual pool care plan",
        )
        invoice["membershipId"] = account.membership_id
        lines = [Line(trade.MEMBERSHIP_FEE, 1, trade.MEMBERSHIP_FEE.price)]
        day = at.astimezone(trade.ZONE).date()
        total = money.charge(self._store, invoice, lines, at=at, on=day)
        account.owe(total, at=at)
        paid_at = at + timedelta(days=self._rng.random() * 12)
        if paid_at <= self._now:
            money.pay(self._store, invoice, total, at=paid_at, method="Credit Card", memo="Care plan")
            account.owe(-total, at=paid_at)
        changed_at = paid_at if paid_at <= self._now else at
        self._store["invoices"].put(invoice, created_at=at, modified_at=changed_at)

    def _equip(self, account: Account, site: Site) -> None:
        at = account.created_at
        for sku, share in _EQUIPPED:
            if self._rng.random() > share:
                continue
            installed_at = at - timedelta(days=60 + self._rng.random() * 3_000)
            record = work.equipment(
                account, sku, equipment_id=self._store.next_id(), site=site, installed_at=installed_at
            )
            changed_at = at
            if self._rng.random() < 0.06:
                changed_at = at + (self._now - at) * self._rng.random()
                replaced_on = changed_at.date().isoformat()
                record |= {"status": "Replaced", "active": False, "actualReplacementDate": replaced_on}
            self._store["installed_equipment"].put(record, created_at=at, modified_at=changed_at)

    def _stray_call(self, at: datetime) -> None:
        """Put a call that led to no job; some leave a lead behind."""
        rng, store = self._rng, self._store
        chance = rng.random()
        kind = "Unbooked" if chance < 0.5 else "Excused" if chance < 0.8 else "NotLead"
        reason = pick(rng, staff.LEAD_REASONS if kind == "Unbooked" else staff.OTHER_REASONS)
        campaign = pick(rng, staff.CAMPAIGNS[:9])
        known = pick(rng, self._accounts) if self._accounts and rng.random() < 0.6 else None
        if known is not None and not known.active:
            known = None
        phone = (
            known.phone if known else f"{int(rng.random() * 700) + 212}555{100 + int(rng.random() * 100):04d}"
        )
        call = sales.call(
            call_id=store.next_id(), phone=phone, rng=rng, reason=reason, kind=kind, campaign=campaign
        )
        if known is not None:
            sales.about(call, account=known, site=known.sites[0])
        if kind == "Unbooked" and rng.random() < 0.55:
            job_type = pick(rng, trade.CONSULTATIONS)
            status = "Dismissed" if self._now - at > timedelta(days=40) or rng.random() < 0.3 else "Open"
            lead = sales.lead(
                lead_id=store.next_id(), kind=job_type, reason=reason, status=status, campaign=campaign
            )
            lead |= {"callId": call["id"], "leadPhone": call["from"], "followUpDate": at.astimezone(UTC)}
            if known is not None:
                lead |= {"customerId": known.id, "locationId": known.sites[0].id}
            call["lead"] = {"id": lead["id"]}
            store["leads"].put(lead, created_at=at, modified_at=at)
        store["calls"].put(call, created_at=at, modified_at=at)
