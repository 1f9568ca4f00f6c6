"""Time passes over the simulated company: calls come in, work is done, bills are paid or not.

What is stamped on the records is the clock's time. *pace* says how much of the company's life fits
into it: at 60 an hour of theirs happens in a minute, night and day, so that a demo has something to
show. All nine situations that pcd knows as events arise within the first minute at that pace, and
again and again later on.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING

import anyio
import orjson

from pcd.sim import money, trade
from pcd.sim.agenda import Agenda
from pcd.sim.business import Business
from pcd.sim.names import pick
from pcd.sim.visit import later

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from anyio.abc import TaskStatus

    from pcd.sim.clock import SimClock
    from pcd.sim.store import Store

PACE = 60.0
_RECENT = 400  # of each shelf, where to look for work that is under way
_UNDER_WAY = 24
_LONGEST_SLEEP = 0.5


class Life:
    """What happens from now on in a store that `company.found` has filled.

    The same seed over the same store yields the same sequence, whatever the steps in which it is
    played. Build it when the life is to begin.
    """

    def __init__(
        self,
        store: Store,
        clock: SimClock,
        *,
        seed: int,
        pace: float = PACE,
        merge_bumps_children: bool = True,
    ) -> None:
        """Plan the first happenings from the clock's present on."""
        self._store = store
        self._clock = clock
        self._rng = Random(seed)  # noqa: S311
        self._pace = pace
        self._agenda = Agenda()
        self._business = Business(store, self._rng, merge_bumps_children=merge_bumps_children)
        self._fates = cycle(("Sold", "Dismissed", "Sold", "Open", "Dismissed", "Unsold"))
        self._upcoming: list[int] = []
        self._newcomers: list[int] = []
        self._jobs: list[int] = []
        self._unpaid: list[int] = []
        self._leads: list[int] = []
        self._look_around()
        self._plan(clock.now())

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live, until cancelled."""
        task_status.started()
        while True:
            self.tick(self._clock.now())
            next_at, speed = self._agenda.next_at, self._clock.speed
            seconds = (next_at - self._clock.now()).total_seconds() / speed if next_at and speed else 1.0
            await anyio.sleep(min(max(seconds, 0.0), _LONGEST_SLEEP))

    def tick(self, until: datetime) -> int:
        """Let everything happen that is due at *until* or before; return how much it was."""
        return self._agenda.reach(until)

    def _plan(self, now: datetime) -> None:
        """Start the sources of happenings: the minutes of theirs until the first, and between two."""
        sources: tuple[tuple[Callable[[datetime], None], float, float], ...] = (
            (self._phone_rings, 1, 14),
            (self._web_booking, 3, 22),
            (self._repair_proposed, 4, 18),
            (self._contact_changes, 6, 16),
            (self._paperwork_found, 9, 32),
            (self._old_bill_paid, 12, 24),
            (self._plans_change, 15, 30),
            (self._lead_closed, 18, 45),
            (self._double_found, 25, 80),
        )
        for action, first, every in sources:
            self._agenda.add(self._after(now, minutes=first), partial(self._repeat, action, every))
        for number, appointment_id in enumerate(reversed(self._upcoming)):
            self._follow(appointment_id, at=now, minutes=2 + 4 * number)

    def _look_around(self) -> None:
        """Find what is under way: appointments to come, recent jobs, unpaid invoices, open leads."""
        for row, _ in zip(self._store["appointments"].rows(), range(_RECENT), strict=False):
            status = orjson.loads(row.body)["status"]
            if row.active and status in ("Scheduled", "Dispatched", "Working"):
                self._upcoming.append(row.id)
        del self._upcoming[_UNDER_WAY:]
        for row, _ in zip(self._store["jobs"].rows(), range(_RECENT), strict=False):
            if row.active and orjson.loads(row.body)["jobStatus"] != "Canceled":
                self._jobs.append(row.id)
        for row, _ in zip(self._store["invoices"].rows(), range(_RECENT), strict=False):
            if row.active and money.cents(orjson.loads(row.body)["balance"]) > 0:
                self._unpaid.append(row.id)
        for row, _ in zip(self._store["leads"].rows(), range(_RECENT), strict=False):
            if orjson.loads(row.body)["status"] == "Open":
                self._leads.append(row.id)

    def _after(self, at: datetime, *, minutes: float) -> datetime:
        """Return the instant some *minutes* of the company's time later, give or take a quarter."""
        seconds = minutes * 60 / self._pace * (0.75 + self._rng.random() / 2)
        return at + timedelta(seconds=seconds)

    def _soon(self, at: datetime, action: Callable[[datetime], None], *, minutes: float) -> None:
        self._agenda.add(self._after(at, minutes=minutes), action)

    def _repeat(self, action: Callable[[datetime], None], every: float, at: datetime) -> None:
        action(at)
        self._soon(at, partial(self._repeat, action, every), minutes=every)

    def _phone_rings(self, at: datetime) -> None:
        business, chance = self._business, self._rng.random()
        if chance < 0.18:
            call_id = business.call(None, at=at, kind="Unbooked")
            lead = self._store["calls"].get(call_id)["lead"]
            self._leads.append(lead["id"])
            return
        if chance < 0.3:
            business.call(business.directory.any(self._rng), at=at, kind="Excused")
            return
        if chance < 0.55:
            account = business.join(at=at)
            self._newcomers.append(account.id)
        else:
            account = business.directory.any(self._rng)
        kind = pick(self._rng, (*trade.REPAIRS, trade.CARE, *trade.CONSULTATIONS))
        start = later(at, days=self._rng.random() * 6 + 0.1, rng=self._rng)
        job_id, appointment_ids = business.book(account, kind, at=at, starts=[start])
        business.call(account, at=at, kind="Booked", job_id=job_id)
        self._booked(job_id, appointment_ids, at=at)

    def _web_booking(self, at: datetime) -> None:
        account = self._business.directory.any(self._rng)
        kind = pick(self._rng, (trade.CARE, *trade.REPAIRS))
        start = later(at, days=1 + self._rng.random() * 6, rng=self._rng)
        booking_id = self._business.request(account, kind, at=at, start=start)
        if self._rng.random() < 0.15:
            self._soon(at, lambda at: self._business.refuse(booking_id, at=at), minutes=9)
        else:
            accept = partial(self._booking_accepted, booking_id, account.id, kind, start)
            self._soon(at, accept, minutes=6)

    def _booking_accepted(
        self, booking_id: int, customer_id: int, kind: trade.JobType, start: datetime, at: datetime
    ) -> None:
        if not self._store["customers"].row(customer_id).active:
            self._business.refuse(booking_id, at=at)
            return
        account = self._business.directory.account(customer_id)
        job_id, appointment_ids = self._business.book(account, kind, at=at, starts=[start])
        self._business.accept(booking_id, job_id=job_id, at=at)
        self._booked(job_id, appointment_ids, at=at)

    def _booked(self, job_id: int, appointment_ids: list[int], *, at: datetime) -> None:
        self._jobs.append(job_id)
        del self._jobs[:-_RECENT]
        self._upcoming += appointment_ids
        for number, appointment_id in enumerate(appointment_ids):
            self._follow(appointment_id, at=at, minutes=25 + 30 * number)

    def _follow(self, appointment_id: int, *, at: datetime, minutes: float) -> None:
        """See an appointment through from where it stands, beginning in some minutes."""
        self._soon(at, partial(self._dispatched, appointment_id), minutes=minutes)

    def _status(self, appointment_id: int) -> str:
        return str(self._store["appointments"].get(appointment_id)["status"])

    def _dispatched(self, appointment_id: int, at: datetime) -> None:
        if self._status(appointment_id) == "Scheduled":
            self._business.dispatch(appointment_id, at=at)
        if self._status(appointment_id) != "Canceled":
            self._soon(at, partial(self._arrived, appointment_id), minutes=6)

    def _arrived(self, appointment_id: int, at: datetime) -> None:
        if self._status(appointment_id) == "Dispatched":
            self._business.arrive(appointment_id, at=at)
        self._soon(at, partial(self._finished, appointment_id), minutes=9)

    def _finished(self, appointment_id: int, at: datetime) -> None:
        if appointment_id in self._upcoming:
            self._upcoming.remove(appointment_id)
        invoice = self._business.finish(appointment_id, at=at)
        if invoice is None:
            return
        invoice_id = invoice["id"]
        if money.cents(invoice["total"]) == 0:  # a consultation: what it costs comes now
            self._soon(at, partial(self._estimate_written, invoice["job"]["id"]), minutes=3)
        elif self._rng.random() < 0.6:
            self._soon(at, lambda at: self._business.pay(invoice_id, at=at), minutes=7)
        else:
            self._unpaid.append(invoice_id)

    def _repair_proposed(self, at: datetime) -> None:
        """A technician on the spot proposes something better than a repair."""
        if self._jobs:
            self._estimate_written(pick(self._rng, self._jobs[-60:]), at)

    def _estimate_written(self, job_id: int, at: datetime) -> None:
        estimate_id = self._business.propose(job_id, at=at)
        fate = next(self._fates)
        if fate != "Open":
            self._soon(at, partial(self._decided, estimate_id, fate), minutes=8)

    def _decided(self, estimate_id: int, fate: str, at: datetime) -> None:
        business = self._business
        business.decide(estimate_id, "Dismissed" if fate == "Dismissed" else "Sold", at=at)
        if fate == "Sold":
            self._soon(at, partial(self._install_booked, estimate_id), minutes=2)
        elif fate == "Unsold":
            self._soon(at, lambda at: business.decide(estimate_id, "Open", at=at), minutes=5)
            self._soon(at, lambda at: business.decide(estimate_id, "Dismissed", at=at), minutes=20)

    def _install_booked(self, estimate_id: int, at: datetime) -> None:
        first = later(at, days=8 + self._rng.random() * 20, rng=self._rng)
        starts = [first, later(first, days=1, rng=self._rng)]
        job_id, appointment_ids = self._business.install(estimate_id, at=at, starts=starts)
        self._booked(job_id, appointment_ids, at=at)

    def _contact_changes(self, at: datetime) -> None:
        self._business.change_contact(at=at)

    def _paperwork_found(self, at: datetime) -> None:
        """A visit is entered after its bill should have been paid: due yesterday, and open."""
        account = self._business.directory.any(self._rng)
        start = at.replace(second=0, microsecond=0) - timedelta(hours=2)
        job_id, appointment_ids = self._business.book(account, trade.CARE, at=at, starts=[start])
        terms = money.TERMS["Net 30" if account.is_commercial else "Due Upon Receipt"]
        invoice = self._business.finish(appointment_ids[0], at=at, late_by=timedelta(days=terms + 1))
        self._jobs.append(job_id)
        if invoice is not None:
            self._soon(at, partial(self._remember_unpaid, invoice["id"]), minutes=60)

    def _remember_unpaid(self, invoice_id: int, at: datetime) -> None:
        del at  # the bookkeeper begins to look for it; nothing changes yet
        self._unpaid.append(invoice_id)

    def _old_bill_paid(self, at: datetime) -> None:
        if len(self._unpaid) > 5:
            invoice_id = self._unpaid.pop(int(self._rng.random() * len(self._unpaid)))
            self._business.pay(invoice_id, at=at)

    def _plans_change(self, at: datetime) -> None:
        """An appointment to come is moved, called off, or gets somebody else."""
        waiting = [entry for entry in self._upcoming if self._status(entry) == "Scheduled"]
        if not waiting:
            return
        appointment_id, chance = pick(self._rng, waiting), self._rng.random()
        job = self._store["jobs"].get(self._store["appointments"].get(appointment_id)["jobId"])
        if chance < 0.4:
            start = later(at, days=2 + self._rng.random() * 8, rng=self._rng)
            self._business.reschedule(appointment_id, at=at, start=start)
        elif chance < 0.75 or job["appointmentCount"] > 1:
            self._business.reassign(appointment_id, at=at)
        else:
            self._upcoming.remove(appointment_id)
            self._business.cancel(appointment_id, at=at)

    def _lead_closed(self, at: datetime) -> None:
        if self._leads:
            self._business.close_lead(self._leads.pop(0), at=at)

    def _double_found(self, at: datetime) -> None:
        """A newcomer turns out to be a customer already."""
        if not self._newcomers:
            return
        loser_id = self._newcomers.pop(0)
        survivor = self._business.directory.any(self._rng)
        if survivor.id != loser_id:
            self._business.merge(loser_id, into_id=survivor.id, at=at)
            self._newcomers = [entry for entry in self._newcomers if entry != survivor.id]
