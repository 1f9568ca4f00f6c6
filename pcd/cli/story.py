"""What happens between the two simulated systems, as a story: a sale here, a card that moves there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.sim import dialect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pcd.sim.ghl.records import Opportunity
    from pcd.sim.ghl.store import Store as Subaccount
    from pcd.sim.store import Store as Company

_THERE = "ServiceTitan"
_HERE = "GoHighLevel"
_WIDTH = 14
_DECIDED = {"Sold": "is sold", "Dismissed": "is dismissed", "Open": "is open again"}


class Story:
    """Tells what changed in *company* and *subaccount* since the last time it was asked.

    The field *customer_field* of a contact holds ServiceTitan's id of the customer.
    """

    def __init__(self, company: Company, subaccount: Subaccount, *, customer_field: str) -> None:
        """Begin now: what is there already is not told."""
        self._company = company
        self._subaccount = subaccount
        self._field = customer_field
        self._ends = {name: company[name].end for name in ("customers", "jobs", "estimates")}
        self._known = {name: set(company[name].ids()) for name in self._ends}
        self._statuses: dict[int, str] = {}
        self._cards: dict[str, Opportunity] = dict(subaccount.opportunities)
        self._happened_at: dict[str, datetime] = {}

    def news(self) -> list[str]:
        """Return a line for each thing that happened, those of ServiceTitan first."""
        return [*self._company_news(), *self._card_news()]

    def _company_news(self) -> Iterator[str]:
        for name, tell in (
            ("customers", self._customer),
            ("jobs", self._job),
            ("estimates", self._estimate),
        ):
            shelf = self._company[name]
            for row in shelf.changes(after=self._ends[name]):
                record = dialect.decode(row.body)
                line = tell(record, is_new=row.id not in self._known[name])
                self._known[name].add(row.id)
                if line:
                    customer_id = record.get("customerId", row.id)
                    self._happened_at[str(customer_id)] = dialect.from_ticks(row.modified)
                    yield f"{_THERE:<{_WIDTH}}{self._name(customer_id)}: {line}"
            self._ends[name] = shelf.end

    def _customer(self, record: dict[str, Any], *, is_new: bool) -> str:
        del record
        return "a new customer" if is_new else ""

    def _job(self, record: dict[str, Any], *, is_new: bool) -> str:
        if not is_new:
            return ""
        is_install = record.get("createdFromEstimateId") is not None
        return f"job {record['jobNumber']} is booked{', to install what was sold' if is_install else ''}"

    def _estimate(self, record: dict[str, Any], *, is_new: bool) -> str:
        status, last = record["status"]["name"], self._statuses.get(record["id"], "Open")
        self._statuses[record["id"]] = status
        value = f"${record['subtotal'] + record['tax']:,.2f}"
        if is_new:
            return f"gets a proposal, {record['name']}, {value}"
        return f"the proposal of {value} {_DECIDED[status]}" if status != last else ""

    def _card_news(self) -> Iterator[str]:
        for card in list(self._subaccount.opportunities.values()):
            former = self._cards.get(card.id)
            if card is former:
                continue
            self._cards[card.id] = card
            line = self._card(card, former)
            if line:
                contact = self._subaccount.contacts[card.contact_id]
                yield f"{_HERE:<{_WIDTH}}{contact.name}: {line}{self._delay(card)}"

    def _card(self, card: Opportunity, former: Opportunity | None) -> str:
        value = f", ${card.monetary_value:,.2f}" if card.monetary_value else ""
        closed = f", {card.status}" if card.status != "open" else ""
        if former is None:
            return f"a new card in {self._stage(card)}{value}{closed}"
        if card.stage_id != former.stage_id:
            return f"{self._stage(former)} → {self._stage(card)}{value}{closed}"
        if card.status != former.status:
            return f"the card in {self._stage(card)} is {card.status}{value}"
        return f"the card is worth{value[1:]} now" if card.monetary_value != former.monetary_value else ""

    def _delay(self, card: Opportunity) -> str:
        """Return how long it took since the last thing that happened to the customer."""
        customer_id = str(self._subaccount.contacts[card.contact_id].custom_fields.get(self._field, ""))
        at = self._happened_at.pop(customer_id, None)
        return f"  ({(card.updated_at - at).total_seconds():.1f} s later)" if at else ""

    def _stage(self, card: Opportunity) -> str:
        stages = self._subaccount.pipelines[card.pipeline_id].stages
        return next((stage.name for stage in stages if stage.id == card.stage_id), card.stage_id)

    def _name(self, customer_id: int) -> str:
        return str(self._company["customers"].get(customer_id)["name"])
