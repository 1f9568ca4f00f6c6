"""Somebody who works in the sub-account's user interface, and so changes what pcd has written."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from pcd.sim.ghl.records import Contact, Opportunity
from pcd.sim.names import BIRDS, pick

if TYPE_CHECKING:
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_MOST_AT_ONCE = 100


class Person:
    """Moves cards, changes values, edits contacts: now and then by chance, or when told to.

    `rate` is how often by chance, in actions a minute of real time; the same seed does the same to the
    same records. What was done stands in `deeds`, the latest last. Nobody sees what happens between two
    requests, so it is done when the next one comes.
    """

    def __init__(self, store: Store, settings: GhlSimSettings) -> None:
        """Work on *store*; nothing has been done yet."""
        self.deeds: list[str] = []
        self._rate = settings.person_actions_per_minute
        self._store = store
        self._random = Random(f"{settings.seed}:person")  # noqa: S311 - repeatable on purpose
        self._since = store.clock.monotonic()

    @property
    def rate(self) -> float:
        """How often by chance, in actions a minute; 0 for never."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate, self._since = rate, self._store.clock.monotonic()

    def catch_up(self) -> None:
        """Do what would have been done since the last time, 100 actions at most."""
        if not self._rate:
            return
        pause = 60.0 / self._rate
        due = int((self._store.clock.monotonic() - self._since) / pause)
        self._since += due * pause
        for _ in range(min(due, _MOST_AT_ONCE)):
            self.act()

    def act(self) -> str:
        """Do something by chance and return what, ``""`` where there is nothing to do it to."""
        store, rng = self._store, self._random
        if store.opportunities and rng.random() < 0.7:
            card = pick(rng, list(store.opportunities.values()))
            stages = store.pipelines[card.pipeline_id].stages
            if rng.random() < 0.5:
                self.move_card(card.id, pick(rng, stages).id)
            else:
                self.set_value(card.id, round(100 + rng.random() * 20_000, 2))
        elif store.contacts:
            contact = pick(rng, list(store.contacts.values()))
            if rng.random() < 0.5:
                self.edit_contact(contact.id, last_name=pick(rng, BIRDS))
            else:
                self.tag(contact.id, pick(rng, ("vip", "call back", "from the fair")))
        else:
            return ""
        return self.deeds[-1]

    def move_card(self, opportunity_id: str, stage_id: str, *, pipeline_id: str = "") -> Opportunity:
        """Drag a card to a stage, of its own pipeline unless another is named."""
        card, now = self._store.opportunities[opportunity_id], self._store.clock.now()
        moved = replace(
            card,
            stage_id=stage_id,
            pipeline_id=pipeline_id or card.pipeline_id,
            updated_at=now,
            stage_changed_at=now,
        )
        return self._card(moved, "moved")

    def set_value(self, opportunity_id: str, value: float) -> Opportunity:
        """Change a card's value."""
        card = self._store.opportunities[opportunity_id]
        changed = replace(card, monetary_value=value, updated_at=self._store.clock.now())
        return self._card(changed, "revalued")

    def set_status(self, opportunity_id: str, status: str) -> Opportunity:
        """Mark a card open, won, lost or abandoned."""
        card, now = self._store.opportunities[opportunity_id], self._store.clock.now()
        return self._card(replace(card, status=status, updated_at=now, status_changed_at=now), status)

    def edit_contact(self, contact_id: str, **fields: object) -> Contact:
        """Change a contact's *fields*, by the names of `records.Contact`."""
        held = self._store.contacts[contact_id]
        changed = replace(held, **fields, updated_at=self._store.clock.now())  # type: ignore[arg-type]
        self.deeds.append(f"contact {contact_id}: edited {', '.join(fields)}")
        return self._store.contacts.put(changed)

    def tag(self, contact_id: str, tag: str) -> Contact:
        """Give a contact a tag."""
        held = self._store.contacts[contact_id]
        return self.edit_contact(contact_id, tags=tuple(dict.fromkeys((*held.tags, tag.lower()))))

    def add_contact(self, **fields: object) -> Contact:
        """Enter a contact by hand, by the names of `records.Contact`; duplicates are not looked for."""
        now = self._store.clock.now()
        made = Contact(id=self._store.ids.next(), added_at=now, updated_at=now, **fields)  # type: ignore[arg-type]
        self.deeds.append(f"contact {made.id}: entered")
        return self._store.contacts.put(made)

    def add_card(self, contact_id: str, *, name: str, pipeline_id: str, stage_id: str) -> Opportunity:
        """Put a card for a contact on a board by hand; duplicates are not looked for."""
        now = self._store.clock.now()
        made = Opportunity(
            id=self._store.ids.next(),
            name=name,
            contact_id=contact_id,
            pipeline_id=pipeline_id,
            stage_id=stage_id,
            added_at=now,
            updated_at=now,
            status_changed_at=now,
            stage_changed_at=now,
        )
        return self._card(made, "entered")

    def delete_contact(self, contact_id: str) -> None:
        """Delete a contact and its cards."""
        for card in self._store.opportunities_of(contact_id):
            self._store.opportunities.remove(card.id)
        self._store.contacts.remove(contact_id)
        self.deeds.append(f"contact {contact_id}: deleted")

    def _card(self, card: Opportunity, deed: str) -> Opportunity:
        self.deeds.append(f"opportunity {card.id}: {deed}")
        return self._store.opportunities.put(card)
