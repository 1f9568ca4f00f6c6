"""Random lives of customers, and what GoHighLevel must show of each at the end, decided a second time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.selling import Selling, Written


class Card(NamedTuple):
    """What an opportunity shows; *value* None where it does not matter."""

    stage: str
    status: str
    value: float | None = None


_INSTALL = {
    "Scheduled": "Estimate Approved / Job Created",
    "InProgress": "In Progress / On Site",
    "Hold": "On Hold / Return Visit Needed",
    "Completed": "Job Completed",
}


@dataclass(slots=True)
class Life:
    """One customer's way through the company, step by step."""

    customer_id: int
    chance: random.Random
    has_visit: bool = False
    estimates: dict[int, tuple[str, int]] = field(default_factory=dict)
    install: str = ""

    def steps(self) -> Iterator[tuple[str, int, dict[str, object]]]:
        """Yield rows to be written, as (resource, id, columns), in the order in which they happen."""
        key, chance = self.customer_id, self.chance
        yield "customer", key, {}
        if chance.random() < 0.2:
            return
        yield "job", key * 10, {"customer_id": key}
        if chance.random() < 0.7:
            yield "appointment", key * 10, {"job_id": key * 10}
            self.has_visit = True
        for number in range(1, chance.randint(0, 3) + 1):
            st_id, total = key * 10 + number, chance.randint(1, 90) * 100
            self.estimates[st_id] = ("Open", total)
            yield self._estimate(st_id)
        for st_id in list(self.estimates):
            fate = chance.choice(("Open", "Sold", "Dismissed", "edited"))
            status, total = self.estimates[st_id]
            self.estimates[st_id] = ("Open", total + 100) if fate == "edited" else (fate, total)
            if self.estimates[st_id] != (status, total):
                yield self._estimate(st_id)
        if any(status == "Sold" for status, _ in self.estimates.values()) and chance.random() < 0.6:
            for status in ("Scheduled", "InProgress", "Hold", "Completed")[: chance.randint(1, 4)]:
                self.install = status
                columns = {"customer_id": key, "business_unit_id": 2, "job_status": status}
                yield "job", key * 10 + 5, columns

    def card(self) -> Card:
        """Return what must be shown of what has happened."""
        sold = [total for status, total in self.estimates.values() if status == "Sold"]
        still_open = [total for status, total in self.estimates.values() if status == "Open"]
        if self.install:
            return Card(_INSTALL[self.install], "won", float(sum(sold)))
        if sold:
            return Card("Job Sold", "won", float(sum(sold)))
        if still_open:
            return Card("Appointment Completed - Proposal Sent", "open", float(max(still_open)))
        if self.estimates:
            return Card("Estimate Lost", "lost")
        return Card("Appointment Scheduled" if self.has_visit else "Contacted", "open")

    def _estimate(self, st_id: int) -> tuple[str, int, dict[str, object]]:
        status, total = self.estimates[st_id]
        columns: dict[str, object] = {
            "customer_id": self.customer_id,
            "job_id": self.customer_id * 10,
            "status": status,
            "total": total,
            "sold_on": datetime.now(UTC) if status == "Sold" else None,
        }
        return "estimate", st_id, columns


async def live(company: Written, step: tuple[str, int, dict[str, object]]) -> None:
    """Write one step of a life."""
    resource, st_id, columns = step
    if resource == "customer":
        await company.customer(st_id)
    else:
        await getattr(company, resource)(st_id, **columns)


def shown(company: Written) -> dict[str, list[Card]]:
    """Return the cards of each contact by its e-mail; a contact without any has an empty list."""
    stages = {
        stage.id: stage.name for pipeline in company.sim.settings.pipelines for stage in pipeline.stages
    }
    store = company.sim.store
    cards: dict[str, list[Card]] = {contact.email: [] for contact in store.contacts.values()}
    for each in store.opportunities.values():
        card = Card(stages[each.stage_id], each.status, float(each.monetary_value))
        cards[store.contacts[each.contact_id].email].append(card)
    return cards


def expected(lives: list[Life]) -> dict[str, list[Card]]:
    """Return what `shown` must be."""
    return {f"c{life.customer_id}@example.com": [life.card()] for life in lives}


def without_lost_values(cards: dict[str, list[Card]]) -> dict[str, list[Card]]:
    """Return *cards* without the values of those that are still to be offered anything, or are lost."""
    valued = {"Appointment Completed - Proposal Sent", "Job Sold", *_INSTALL.values()}
    return {
        email: [card if card.stage in valued else card._replace(value=None) for card in each]
        for email, each in cards.items()
    }


async def send_once(company: Selling) -> None:
    """Tell what happened, and wait for no call to which nobody has answered."""
    await company.detection.events()
    await company.works.marker.look_at_events()
    await company.works.reconciler.drain()
    await company.works.sender.empty()
