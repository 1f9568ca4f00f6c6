"""One job of the past, from the booking to the last payment, told as it stands now.

History is written in one go: a job of three years ago is put once, in its final state, with the dates
that its changes would have left behind. What lies in the future at *now* has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from pcd.sim import money, sales, staff, trade, work
from pcd.sim.money import Line
from pcd.sim.names import pick

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from random import Random

    from pcd.sim.dialect import Record
    from pcd.sim.people import Account, Site
    from pcd.sim.store import Store

Stage: TypeAlias = Literal["Scheduled", "Dispatched", "Working", "Done", "Hold", "Canceled"]
JOB_STATUS: dict[Stage, str] = {
    "Scheduled": "Scheduled",
    "Dispatched": "Dispatched",
    "Working": "InProgress",
    "Done": "Completed",
    "Hold": "Hold",
    "Canceled": "Canceled",
}
_DRIVE = timedelta(minutes=35)
_DAYS = {
    trade.INSTALLATION.id: 2,
    trade.LIGHT_INSTALLATION.id: 2,
    trade.REMODEL.id: 4,
    trade.CONSTRUCTION.id: 6,
}


@dataclass(slots=True, kw_only=True)
class Sale:
    """What a consultation sold: the *lines* of the estimate, to be installed as *kind*."""

    estimate_id: int
    kind: trade.JobType
    lines: list[Line]
    site: Site
    sold_by_id: int
    sold_at: datetime


@dataclass(slots=True, kw_only=True)
class Visit:
    """A job in the making. *start* is that of its first appointment, *sale* what it carries out."""

    store: Store
    rng: Random
    now: datetime
    account: Account
    site: Site
    kind: trade.JobType
    booked_at: datetime
    start: datetime
    sale: Sale | None = None

    def tell(self) -> Sale | None:
        """Put the job with all that belongs to it; return what was sold, if it led to a sale."""
        job, invoice = self._open()
        modified_at = self._origin(job)
        stage, changed_at, crew = self._appointments(job)
        modified_at = max(modified_at, changed_at)
        job["jobStatus"] = JOB_STATUS[stage]
        billed_at, sale = self.booked_at, None
        is_install = self.sale is not None
        if stage == "Done" or (is_install and self.start <= self.now):
            lines: list[Line] = list(self.sale.lines) if self.sale else self._lines()
            if stage == "Done":
                job["completedOn"] = changed_at
                job["summaryOfWork"] = pick(self.rng, work.NOTES)
                sale, more = self._estimates(job, at=changed_at - timedelta(minutes=20), tech=crew)
                lines += more
            billed_at = self._bill(job, invoice, lines, finished_at=changed_at, tech=crew)
        if stage == "Canceled" and self.rng.random() < 0.15:  # booked by mistake, and deleted
            job["active"] = invoice["active"] = False
        self._put_equipment(invoice, finished=stage == "Done" and is_install, at=changed_at)
        is_exported = self.now - billed_at > timedelta(days=3)
        invoice["syncStatus"] = "Exported" if is_exported else "Pending"
        self.store["invoices"].put(
            invoice, created_at=self.booked_at, modified_at=max(billed_at, self.booked_at)
        )
        self.store["jobs"].put(job, created_at=self.booked_at, modified_at=modified_at)
        return sale

    def _open(self) -> tuple[Record, Record]:
        job_id = self.store.next_id()
        invoice_id = self.store.next_id()
        summary = pick(self.rng, self.kind.summaries)
        job = work.job(
            self.account,
            job_id=job_id,
            invoice_id=invoice_id,
            site=self.site,
            kind=self.kind,
            summary=summary,
        )
        if self.sale:
            job["createdFromEstimateId"] = self.sale.estimate_id
            job["soldById"] = self.sale.sold_by_id
        invoice = money.open_invoice(
            self.account, invoice_id=invoice_id, site=self.site, unit=self.kind.unit, job=job, summary=summary
        )
        return job, invoice

    def _origin(self, job: Record) -> datetime:
        """Tell how the job came in; return when that was noted in it."""
        if self.sale or self.kind is trade.CARE:
            return self.booked_at
        chance = self.rng.random()
        campaign = pick(self.rng, staff.CAMPAIGNS[:9]) if chance < 0.6 else staff.CAMPAIGNS[0]
        job["campaignId"] = campaign.id
        if chance < 0.7:
            self._call(job, campaign=campaign)
        elif chance < 0.9:
            booking = sales.booking(
                self.account,
                booking_id=self.store.next_id(),
                site=self.site,
                kind=self.kind,
                start=self.start,
                summary=job["summary"],
            )
            job["bookingId"] = booking["id"]
            booking |= {"status": "Converted", "jobId": job["id"]}
            asked_at = self.booked_at - timedelta(minutes=self.rng.random() * 90)
            self.store["bookings"].put(booking, created_at=asked_at, modified_at=self.booked_at)
        return self.booked_at

    def _call(self, job: Record, *, campaign: staff.Named) -> None:
        reason = staff.LEAD_REASONS["Consultation" in self.kind.name]
        call = sales.call(
            call_id=self.store.next_id(),
            phone=self.account.phone,
            rng=self.rng,
            reason=reason,
            kind="Booked",
            campaign=campaign,
        )
        sales.about(call, account=self.account, site=self.site)
        call["job"] = {"id": job["id"], "number": job["jobNumber"]}
        job["leadCallId"] = call["id"]
        called_at = self.booked_at - timedelta(minutes=1 + self.rng.random() * 6)
        if "Consultation" in self.kind.name and self.rng.random() < 0.6:
            lead = sales.lead(
                lead_id=self.store.next_id(),
                kind=self.kind,
                reason=reason,
                status="Converted",
                campaign=campaign,
            )
            lead |= {"customerId": self.account.id, "locationId": self.site.id, "callId": call["id"]}
            call["lead"] = {"id": lead["id"]}
            self.store["leads"].put(lead, created_at=called_at, modified_at=self.booked_at)
        self.store["calls"].put(call, created_at=called_at, modified_at=self.booked_at)

    def _appointments(self, job: Record) -> tuple[Stage, datetime, staff.Technician]:
        """Put the appointments; return the job's stage, when it got there, and who leads."""
        crew = work.crew(self.kind, self.rng)
        cancels_at = self._cancels_at()
        count = _DAYS.get(self.kind.id, 1 + (self.kind in trade.REPAIRS and self.rng.random() < 0.09))
        slots = [self.start + timedelta(days=day) for day in range(count)]
        ids = [self.store.next_id() for _ in slots]
        work.appoint(job, ids)
        told: list[tuple[Stage, datetime]] = []
        for number, (start, appointment_id) in enumerate(zip(slots, ids, strict=True), start=1):
            end = start + timedelta(minutes=self.kind.minutes)
            stage, changed_at = self._stage(start, end, cancels_at=cancels_at)
            appointment = work.appointment(
                job, appointment_id=appointment_id, number=number, start=start, end=end, status=stage
            )
            if stage == "Done":
                text = pick(self.rng, work.NOTES)
                appointment["appointmentSummaries"] = [
                    work.note(appointment, crew[0], at=changed_at, text=text)
                ]
            self._assign(appointment, crew, stage=stage, changed_at=changed_at)
            self.store["appointments"].put(appointment, created_at=self.booked_at, modified_at=changed_at)
            told.append((stage, changed_at))
        return *_of_job(told), crew[0]

    def _cancels_at(self) -> datetime | None:
        if self.sale or self.rng.random() > 0.06:
            return None
        return self.booked_at + (self.start - self.booked_at) * self.rng.random()

    def _stage(
        self, start: datetime, end: datetime, *, cancels_at: datetime | None
    ) -> tuple[Stage, datetime]:
        """Return how far an appointment is now, and since when."""
        if cancels_at is not None and cancels_at <= self.now:
            return "Canceled", cancels_at
        finished_at = end + timedelta(minutes=self.rng.random() * 40 - 20)
        if finished_at <= self.now:
            return "Done", finished_at
        if start <= self.now:
            return "Working", start
        if start - _DRIVE <= self.now:
            return "Dispatched", start - _DRIVE
        moved_at = self.booked_at + timedelta(seconds=self.rng.random() * 5_000)
        return "Scheduled", min(self.now, moved_at) if self.rng.random() < 0.3 else self.booked_at

    def _assign(
        self, appointment: Record, crew: Sequence[staff.Technician], *, stage: Stage, changed_at: datetime
    ) -> None:
        if stage == "Scheduled" and self.rng.random() < 0.3:
            return  # the dispatchers have not got round to it
        at = self.booked_at + timedelta(seconds=60 + self.rng.random() * 900)
        at = min(at, max(changed_at, self.booked_at))
        status = stage if stage in ("Dispatched", "Working", "Done") else "Scheduled"
        shelf = self.store["appointment_assignments"]
        if self.rng.random() < 0.07:  # somebody else was to go at first
            first = pick(self.rng, staff.CREWS[self.kind.unit.id])
            if first is not crew[0]:
                record = work.assignment(
                    appointment, first, assignment_id=self.store.next_id(), at=at, status="Scheduled"
                )
                shelf.put(record | {"active": False}, created_at=at, modified_at=at)
        for tech in crew:
            record = work.assignment(
                appointment, tech, assignment_id=self.store.next_id(), at=at, status=status
            )
            record["active"] = stage != "Canceled"
            shelf.put(record, created_at=at, modified_at=max(at, changed_at))

    def _lines(self) -> list[Line]:
        extras = [sku for sku in self.kind.extras if self.rng.random() < 0.4][:2]
        return [Line(sku, 1, sku.price) for sku in self.kind.charges] + [
            Line(sku, 1 + (self.rng.random() < 0.4), sku.price) for sku in extras
        ]

    def _estimates(
        self, job: Record, *, at: datetime, tech: staff.Technician
    ) -> tuple[Sale | None, list[Line]]:
        """Put what was proposed during the job; return a sale, or lines sold on the spot."""
        if self.kind in trade.CONSULTATIONS:
            return self._consult(job, at=at, tech=tech), []
        if self.kind not in trade.REPAIRS or self.rng.random() > 0.14:
            return None, []
        extra = [Line(sku, 1, sku.price) for sku in self.kind.extras[:2]]
        estimate, bound = sales.propose(self.store, job, lines=extra, name="Recommended repair", at=at)
        job["estimateIds"].append(estimate["id"])
        sold = self.rng.random() < 0.6
        decided_at = at + timedelta(minutes=10)
        if sold:
            estimate |= {"status": sales.STATUSES["Sold"], "soldOn": decided_at, "soldBy": tech.id}
        self.store["estimates"].put(estimate, created_at=at, modified_at=decided_at if sold else at)
        return None, bound if sold else []

    def _consult(self, job: Record, *, at: datetime, tech: staff.Technician) -> Sale | None:
        proposal = pick(self.rng, trade.proposals(self.kind))
        chance = self.rng.random()
        decided_at = at + timedelta(days=0.5 + self.rng.random() * 22)
        fate = "Sold" if chance < 0.4 else "Dismissed" if chance < 0.76 else "Open"
        if decided_at > self.now:
            fate = "Open"
        tiers = 1 + int(self.rng.random() * 3)
        chosen = int(self.rng.random() * tiers)
        sale = None
        for tier in range(tiers):
            name = f"{sales.TIERS[tier]} - {proposal.name}"
            lines = sales.proposed(proposal, tier=tier, rng=self.rng)
            written_at = at + timedelta(seconds=tier * 140)
            estimate, bound = sales.propose(self.store, job, lines=lines, name=name, at=written_at)
            job["estimateIds"].append(estimate["id"])
            if fate == "Sold" and tier == chosen:
                estimate |= {"status": sales.STATUSES["Sold"], "soldOn": decided_at, "soldBy": tech.id}
                estimate |= {"reviewStatus": "Approved", "isRecommended": True}
                sale = Sale(
                    estimate_id=estimate["id"],
                    kind=proposal.becomes,
                    lines=bound,
                    site=self.site,
                    sold_by_id=tech.id,
                    sold_at=decided_at,
                )
            elif fate != "Open":
                estimate["status"] = sales.STATUSES["Dismissed"]
            changed_at = written_at if fate == "Open" else decided_at
            estimate["active"] = fate != "Dismissed" or self.rng.random() > 0.1
            self.store["estimates"].put(estimate, created_at=written_at, modified_at=changed_at)
        return sale

    def _bill(
        self,
        job: Record,
        invoice: Record,
        lines: Sequence[Line],
        *,
        finished_at: datetime,
        tech: staff.Technician,
    ) -> datetime:
        """Charge the lines and tell the payments so far; return when the invoice changed last."""
        at = self.start if self.sale else finished_at
        day = at.astimezone(trade.ZONE).date()
        total = money.charge(self.store, invoice, lines, at=at, on=day, technician_id=tech.id)
        job["total"] = money.dollars(total)
        if total == 0:
            return at
        self.account.owe(total, at=at)
        for amount, paid_at in self._payments(total, at=at, finished_at=max(at, finished_at)):
            if paid_at > self.now:
                break
            if self.rng.random() < 0.01:
                money.void_payment(self.store, invoice, amount, at=paid_at - timedelta(minutes=4))
            methods = ("Check", "ACH") if self.account.is_commercial else tuple(money.PAYMENT_TYPES)
            method = "Credit Card" if self.rng.random() < 0.5 else pick(self.rng, methods)
            money.pay(self.store, invoice, amount, at=paid_at, method=method)
            self.account.owe(-amount, at=paid_at)
            at = paid_at
        return at

    def _payments(self, total: int, *, at: datetime, finished_at: datetime) -> list[tuple[int, datetime]]:
        """Return the payments (cents, when) that will ever be made on an invoice, in order."""
        chance, days = self.rng.random(), self.rng.random()
        if self.sale:
            deposit = total * 3 // 10
            rest_at = finished_at + timedelta(days=1 + days * (20 if chance < 0.85 else 200))
            return [(deposit, at + timedelta(minutes=30)), (total - deposit, rest_at)]
        if self.account.is_commercial:
            return [(total, at + timedelta(days=8 + days * 35))] if chance < 0.97 else []
        if chance < 0.78:
            return [(total, at + timedelta(minutes=5 + days * 60))]
        if chance < 0.83:
            first_at = at + timedelta(days=days * 10)
            return [(total // 2, first_at), (total - total // 2, first_at + timedelta(days=30))]
        if chance < 0.985:
            return [(total, at + timedelta(days=2 + days * 60))]
        return []

    def _put_equipment(self, invoice: Record, *, finished: bool, at: datetime) -> None:
        if not finished:
            return
        skus = {sku.id: sku for sku in trade.EQUIPMENT}
        for item in invoice["items"]:
            sku = skus.get(item["skuId"])
            if sku is None:
                continue
            record = work.equipment(
                self.account,
                sku,
                equipment_id=self.store.next_id(),
                site=self.site,
                installed_at=at,
                invoice_item_id=item["id"],
            )
            self.store["installed_equipment"].put(record, created_at=at, modified_at=at)


def _of_job(told: Sequence[tuple[Stage, datetime]]) -> tuple[Stage, datetime]:
    """Return the stage of a job from those of its appointments, and since when it is there."""
    stages = [stage for stage, _ in told]
    latest = max(at for _, at in told)
    if all(stage == "Canceled" for stage in stages):
        return "Canceled", latest
    if all(stage in ("Done", "Canceled") for stage in stages):
        return "Done", latest
    if "Working" in stages or "Done" in stages:
        return "Working", latest
    return ("Dispatched", latest) if "Dispatched" in stages else ("Scheduled", latest)


def later(start: datetime, *, days: float, rng: Random) -> datetime:
    """Return a start of work some *days* after an instant, on a full or half hour of a working day."""
    local = (start + timedelta(days=days)).astimezone(trade.ZONE)
    if local.weekday() > 4:
        local += timedelta(days=7 - local.weekday())
    hour = pick(rng, (8, 8, 9, 10, 11, 13, 14, 15))
    local = local.replace(hour=hour, minute=pick(rng, (0, 30)), second=0, microsecond=0)
    return local.astimezone(UTC)
