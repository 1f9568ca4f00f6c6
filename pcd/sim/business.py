"""What can happen in the company, one method each; every method changes the store at one instant.

The dates follow what is known of ServiceTitan: a changed contact does not modify its customer, a
payment does, and a merge deactivates the loser, names the survivor and re-parents the rest.
Source: reference on the v2 API, questions on V1 and V2 differences (portal copy of 2023-04-13).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from pcd.sim import dialect, money, names, people, sales, staff, trade, work
from pcd.sim.directory import Directory
from pcd.sim.money import Line
from pcd.sim.names import pick

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from random import Random

    from pcd.sim.dialect import Record
    from pcd.sim.people import Account, Site
    from pcd.sim.store import Store

_RECENT = 1_500  # assignments that an appointment still under way may have
_CHILDREN = ("customer_contacts", "locations", "jobs", "appointments", "estimates", "installed_equipment")
_NAMED_CHILDREN = ("invoices", "payments", "calls")


class Business:
    """The company at work on a store that `company.found` has filled.

    *merge_bumps_children* tells whether re-parenting counts as a modification of the child; nobody
    outside of ServiceTitan knows.
    """

    def __init__(self, store: Store, rng: Random, *, merge_bumps_children: bool = True) -> None:
        """Read who the customers are and who is assigned to what."""
        self.directory = Directory(store)
        self._store = store
        self._rng = rng
        self._merge_bumps_children = merge_bumps_children
        self._serial = 20_000 + len(store["customers"])
        self._assigned: dict[int, list[int]] = {}
        for row, _ in zip(store["appointment_assignments"].rows(), range(_RECENT), strict=False):
            if row.active:
                assignment = orjson.loads(row.body)
                self._assigned.setdefault(assignment["appointmentId"], []).append(row.id)

    def join(self, *, at: datetime) -> Account:
        """Somebody becomes a customer."""
        self._serial += 1
        account = people.invent(self._store, self._rng, at=at, serial=self._serial)
        people.settle_in(account, self._store, self._rng, serial=self._serial)
        account.modified_at = at
        account.save(self._store)
        self.directory.add(account)
        return account

    def call(self, account: Account | None, *, at: datetime, kind: str, job_id: int | None = None) -> int:
        """Somebody calls: a customer, or a stranger who leaves a lead behind; return the call's id."""
        campaign = pick(self._rng, staff.CAMPAIGNS[:9])
        reason = pick(self._rng, staff.LEAD_REASONS if kind != "Excused" else staff.OTHER_REASONS)
        self._serial += 1
        phone = account.phone if account else names.phone(self._rng, serial=self._serial)
        call = sales.call(
            call_id=self._store.next_id(),
            phone=phone,
            rng=self._rng,
            reason=reason,
            kind=kind,
            campaign=campaign,
        )
        if account:
            sales.about(call, account=account, site=account.sites[0])
        if job_id:
            call["job"] = {"id": job_id, "number": str(job_id)}
        if kind == "Unbooked":
            job_type = pick(self._rng, trade.CONSULTATIONS)
            lead = sales.lead(
                lead_id=self._store.next_id(), kind=job_type, reason=reason, status="Open", campaign=campaign
            )
            lead |= {"callId": call["id"], "leadPhone": call["from"], "followUpDate": at + timedelta(days=2)}
            call["lead"] = {"id": lead["id"]}
            self._put("leads", lead, at=at)
        self._put("calls", call, at=at)
        return int(call["id"])

    def close_lead(self, lead_id: int, *, at: datetime) -> None:
        """A lead that came to nothing is dismissed."""
        reason = staff.OTHER_REASONS[3].id
        self._store["leads"].change(lead_id, modified_at=at, status="Dismissed", dismissingReasonId=reason)

    def request(self, account: Account, kind: trade.JobType, *, at: datetime, start: datetime) -> int:
        """Somebody books online; return the booking's id."""
        site = pick(self._rng, account.sites)
        summary = pick(self._rng, kind.summaries)
        booking = sales.booking(
            account, booking_id=self._store.next_id(), site=site, kind=kind, start=start, summary=summary
        )
        self._put("bookings", booking, at=at)
        return int(booking["id"])

    def accept(self, booking_id: int, *, job_id: int, at: datetime) -> None:
        """The office turns a booking into a job."""
        self._store["bookings"].change(booking_id, modified_at=at, status="Converted", jobId=job_id)
        self._store["jobs"].change(job_id, modified_at=at, bookingId=booking_id)

    def refuse(self, booking_id: int, *, at: datetime) -> None:
        """The office dismisses a booking."""
        reason = staff.OTHER_REASONS[4].id
        self._store["bookings"].change(
            booking_id, modified_at=at, status="Dismissed", dismissingReasonId=reason
        )

    def book(
        self,
        account: Account,
        kind: trade.JobType,
        *,
        at: datetime,
        starts: Sequence[datetime],
        site: Site | None = None,
        estimate: Record | None = None,
    ) -> tuple[int, list[int]]:
        """Book a job with an appointment for each start; return its id and theirs."""
        job_id, invoice_id = self._store.next_id(), self._store.next_id()
        site = site or pick(self._rng, account.sites)
        summary = pick(self._rng, kind.summaries)
        job = work.job(account, job_id=job_id, invoice_id=invoice_id, site=site, kind=kind, summary=summary)
        if estimate:
            job |= {"createdFromEstimateId": estimate["id"], "soldById": estimate["soldBy"]}
        invoice = money.open_invoice(
            account, invoice_id=invoice_id, site=site, unit=kind.unit, job=job, summary=summary
        )
        appointment_ids = [self._store.next_id() for _ in starts]
        work.appoint(job, appointment_ids)
        self._put("invoices", invoice, at=at)
        self._put("jobs", job, at=at)
        crew = work.crew(kind, self._rng)
        for number, (appointment_id, start) in enumerate(zip(appointment_ids, starts, strict=True), start=1):
            end = start + timedelta(minutes=kind.minutes)
            appointment = work.appointment(
                job, appointment_id=appointment_id, number=number, start=start, end=end, status="Scheduled"
            )
            self._put("appointments", appointment, at=at)
            for tech in crew:
                self._assign(appointment, tech, at=at)
        return job_id, appointment_ids

    def reassign(self, appointment_id: int, *, at: datetime) -> None:
        """Somebody else is to go: the old assignments become inactive, a new one is made."""
        appointment = self._store["appointments"].get(appointment_id)
        job = self._store["jobs"].get(appointment["jobId"])
        for assignment_id in self._assigned.pop(appointment_id, []):
            self._store["appointment_assignments"].deactivate(assignment_id, modified_at=at)
        crew = staff.CREWS[job["businessUnitId"]]
        self._assign(appointment, pick(self._rng, crew), at=at)

    def reschedule(self, appointment_id: int, *, at: datetime, start: datetime) -> None:
        """The appointment moves."""
        shelf = self._store["appointments"]
        kind = self._kind(shelf.get(appointment_id)["jobId"])
        end = start + timedelta(minutes=kind.minutes)
        shelf.change(
            appointment_id,
            modified_at=at,
            start=start,
            end=end,
            arrivalWindowStart=start,
            arrivalWindowEnd=start + timedelta(hours=2),
        )

    def dispatch(self, appointment_id: int, *, at: datetime) -> None:
        """The technicians are on their way; the appointment moves up if it was for later."""
        shelf = self._store["appointments"]
        appointment = shelf.get(appointment_id)
        start = at.replace(second=0, microsecond=0)
        if dialect.parse_ticks(appointment["start"]) > dialect.ticks(at):
            self.reschedule(appointment_id, at=at, start=start)
        self._advance(appointment_id, at=at, status="Dispatched", job_status="Dispatched")

    def arrive(self, appointment_id: int, *, at: datetime) -> None:
        """Work begins."""
        self._advance(appointment_id, at=at, status="Working", job_status="InProgress")

    def finish(self, appointment_id: int, *, at: datetime, late_by: timedelta = timedelta()) -> Record | None:
        """Work ends; with the last appointment the job is completed and billed: return the invoice then."""
        job = self._store["jobs"].get(self._store["appointments"].get(appointment_id)["jobId"])
        is_last = job["lastAppointmentId"] == appointment_id
        status = "Completed" if is_last else "InProgress"
        self._advance(appointment_id, at=at, status="Done", job_status=status)
        return self._bill(job["id"], at=at, late_by=late_by) if is_last else None

    def cancel(self, appointment_id: int, *, at: datetime) -> None:
        """The customer calls it off, and the job with it."""
        self._advance(appointment_id, at=at, status="Canceled", job_status="Canceled")
        for assignment_id in self._assigned.pop(appointment_id, []):
            self._store["appointment_assignments"].deactivate(assignment_id, modified_at=at)

    def propose(self, job_id: int, *, at: datetime) -> int:
        """A technician writes an estimate for a job; return its id."""
        job = self._store["jobs"].get(job_id)
        proposal = pick(self._rng, trade.proposals(trade.job_type(job["jobTypeId"])))
        tier = int(self._rng.random() * 3)
        lines = sales.proposed(proposal, tier=tier, rng=self._rng)
        name = f"{sales.TIERS[tier]} - {proposal.name}"
        estimate, _ = sales.propose(self._store, job, lines=lines, name=name, at=at)
        self._put("estimates", estimate, at=at)
        self._store["jobs"].change(job_id, modified_at=at, estimateIds=[*job["estimateIds"], estimate["id"]])
        return int(estimate["id"])

    def decide(self, estimate_id: int, status: str, *, at: datetime) -> None:
        """The estimate becomes Sold, Dismissed or Open (again)."""
        job_id = self._store["estimates"].get(estimate_id)["jobId"]
        tech = pick(self._rng, staff.CREWS[self._kind(job_id).unit.id])
        sold = status == "Sold"
        fields = {"soldOn": at if sold else None, "soldBy": tech.id if sold else None}
        self._change("estimates", estimate_id, {"status": sales.STATUSES[status], **fields}, at=at)

    def install(self, estimate_id: int, *, at: datetime, starts: Sequence[datetime]) -> tuple[int, list[int]]:
        """The office books what an estimate sold; return what `book` returns."""
        estimate = self._store["estimates"].get(estimate_id)
        account = self.directory.account(estimate["customerId"])
        site = next((site for site in account.sites if site.id == estimate["locationId"]), None)
        kind = next(
            item.becomes
            for item in (*trade.PROPOSALS, *trade.LIGHT_PROPOSALS)
            if estimate["name"].endswith(item.name)
        )
        return self.book(account, kind, at=at, starts=starts, site=site, estimate=estimate)

    def pay(self, invoice_id: int, *, at: datetime) -> None:
        """What is open of an invoice is paid, and the customer's balance falls."""
        invoice = self._store["invoices"].get(invoice_id)
        amount = money.cents(invoice["balance"])
        if amount <= 0 or not invoice["active"]:
            return
        method = "Credit Card" if self._rng.random() < 0.6 else "Check"
        money.pay(self._store, invoice, amount, at=at, method=method)
        self._put("invoices", invoice, at=at, created=False)
        self._owe(invoice["customer"]["id"], -amount, at=at)

    def change_contact(self, *, at: datetime) -> None:
        """A phone number or mail address changes, or a second one is added; the customer does not."""
        shelf = self._store["customer_contacts"]
        contact = shelf.get(pick(self._rng, shelf.ids()))
        self._serial += 1
        if contact["type"] == "Email":
            local = contact["value"].partition("@")[0].rstrip("0123456789")
            value = names.email(local, serial=self._serial)
        else:
            value = names.phone(self._rng, serial=self._serial)
        chance = self._rng.random()
        if chance < 0.65 or not contact["active"]:
            settings = contact["phoneSettings"] | {
                "phoneNumber": "" if contact["type"] == "Email" else names.digits(value)
            }
            shelf.change(contact["id"], modified_at=at, value=value, phoneSettings=settings)
        elif chance < 0.85:
            owner_id = contact["customerId"]
            people.add_contact(self._store, owner_id=owner_id, kind=contact["type"], value=value, at=at)
        else:
            shelf.deactivate(contact["id"], modified_at=at)

    def merge(self, loser_id: int, *, into_id: int, at: datetime) -> None:
        """Two customers turn out to be one."""
        loser = self._store["customers"].get(loser_id)
        for resource in (*_CHILDREN, "memberships", "leads"):
            for record in self._mentioning(resource, f'"customerId":{loser_id},'):
                self._reparent(resource, record | {"customerId": into_id}, at=at)
        survivor = self._store["customers"].get(into_id)
        named = {"id": into_id, "name": survivor["name"]}
        for resource in _NAMED_CHILDREN:
            for record in self._mentioning(resource, f'"customer":{{"id":{loser_id},'):
                self._reparent(resource, record | {"customer": named}, at=at)
        fields = {"active": False, "mergedToId": into_id, "balance": money.dollars(0)}
        self._change("customers", loser_id, fields, at=at)
        self._owe(into_id, money.cents(str(loser["balance"])), at=at)
        self.directory.merge(loser_id, into_id=into_id)

    def _mentioning(self, resource: str, text: str) -> Iterator[Record]:
        needle = text.encode()
        for row in list(self._store[resource].rows()):
            if needle in row.body:
                yield dialect.decode(row.body)

    def _reparent(self, resource: str, record: Record, *, at: datetime) -> None:
        former = self._store[resource].row(record["id"])
        modified_at = at if self._merge_bumps_children else dialect.from_ticks(former.modified)
        self._store[resource].put(record, modified_at=modified_at)

    def _assign(self, appointment: Record, tech: staff.Technician, *, at: datetime) -> None:
        assignment_id = self._store.next_id()
        record = work.assignment(appointment, tech, assignment_id=assignment_id, at=at, status="Scheduled")
        self._put("appointment_assignments", record, at=at)
        self._assigned.setdefault(appointment["id"], []).append(assignment_id)

    def _advance(self, appointment_id: int, *, at: datetime, status: str, job_status: str) -> None:
        self._store["appointments"].change(appointment_id, modified_at=at, status=status)
        job_id = self._store["appointments"].get(appointment_id)["jobId"]
        if self._store["jobs"].get(job_id)["jobStatus"] not in ("Completed", "Canceled"):
            completed_at = at if job_status == "Completed" else None
            self._change("jobs", job_id, {"jobStatus": job_status, "completedOn": completed_at}, at=at)
        if status != "Canceled":
            for assignment_id in self._assigned.get(appointment_id, []):
                self._store["appointment_assignments"].change(assignment_id, modified_at=at, status=status)

    def _bill(self, job_id: int, *, at: datetime, late_by: timedelta) -> Record:
        job = self._store["jobs"].get(job_id)
        invoice = self._store["invoices"].get(job["invoiceId"])
        if not invoice["items"]:
            lines = self._lines(job)
            day = at.astimezone(trade.ZONE).date()
            total = money.charge(self._store, invoice, lines, at=at, on=day, late_by=late_by)
            self._put("invoices", invoice, at=at, created=False)
            self._store["jobs"].change(job_id, modified_at=at, total=money.dollars(total))
            self._owe(job["customerId"], total, at=at)
        return invoice

    def _lines(self, job: Record) -> list[Line]:
        if job["createdFromEstimateId"]:
            items = self._store["estimates"].get(job["createdFromEstimateId"])["items"]
            skus = {
                sku.id: sku for item in (*trade.PROPOSALS, *trade.LIGHT_PROPOSALS) for sku, _ in item.lines
            }
            return [
                Line(skus[item["sku"]["id"]], int(item["qty"]), money.cents(item["unitRate"]), item["id"])
                for item in items
            ]
        kind = trade.job_type(job["jobTypeId"])
        extras = [sku for sku in kind.extras if self._rng.random() < 0.4]
        return [Line(sku, 1, sku.price) for sku in (*kind.charges, *extras)]

    def _kind(self, job_id: int) -> trade.JobType:
        return trade.job_type(self._store["jobs"].get(job_id)["jobTypeId"])

    def _owe(self, customer_id: int, amount: int, *, at: datetime) -> None:
        if amount:
            balance = money.cents(str(self._store["customers"].get(customer_id)["balance"])) + amount
            self._change("customers", customer_id, {"balance": money.dollars(balance)}, at=at)

    def _change(self, resource: str, record_id: int, fields: dict[str, Any], *, at: datetime) -> None:
        self._store[resource].change(record_id, modified_at=at, **fields)

    def _put(self, resource: str, record: Record, *, at: datetime, created: bool = True) -> None:
        self._store[resource].put(record, created_at=at if created else None, modified_at=at)
