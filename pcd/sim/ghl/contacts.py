"""Contacts: created, changed, found by key, never two with one key unless the sub-account allows it.

Source: HighLevel API documents of 2026-06-19, ``apps/contacts.json``; help.gohighlevel.com, article
48001181714 (the keys that match), read 2026-11-23; highlevel-api-docs, issue 37 (an upsert whose keys
are two contacts'); integrators' reports (the refusal of a duplicate).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pcd.sim.ghl import refusals, values, wire
from pcd.sim.ghl.contact_search import SEARCH, ContactSearch
from pcd.sim.ghl.endpoint import Ask, Endpoint, Reply
from pcd.sim.ghl.records import Contact
from pcd.sim.ghl.schema import ANY, FLAG, MAYBE, NEEDED, TEXT, TEXTS, Kind, Property, Schema
from pcd.sim.ghl.settings import InvalidPhone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_READ, _WRITE = "contacts.readonly", "contacts.write"
_DND_STATES = ("active", "inactive", "permanent")
_CHANNEL = {"status": Property(required=True, choices=_DND_STATES), "message": TEXT, "code": TEXT}
_DND = Property(
    kind=Kind.OBJECT,
    parts={
        name: Property(kind=Kind.OBJECT, parts=_CHANNEL)
        for name in ("Call", "Email", "SMS", "WhatsApp", "GMB", "FB")
    },
)
_INBOUND_ALL = {"status": Property(required=True, choices=_DND_STATES[:2]), "message": TEXT}
_INBOUND_DND = Property(kind=Kind.OBJECT, parts={"all": Property(kind=Kind.OBJECT, parts=_INBOUND_ALL)})
FIELDS: Final = Property(
    kind=Kind.OBJECTS,
    parts={"id": TEXT, "key": TEXT, "field_value": ANY, "fieldValue": ANY, "value": ANY},
)
_CHANGE: Schema = {
    **dict.fromkeys(("firstName", "lastName", "name", "phone", "address1", "city", "state"), MAYBE),
    **dict.fromkeys(("website", "timezone", "source", "assignedTo", "dateOfBirth"), MAYBE),
    "email": Property(kind=Kind.EMAIL, nullable=True),
    "postalCode": TEXT,
    "country": TEXT,
    "dnd": FLAG,
    "dndSettings": _DND,
    "inboundDndSettings": _INBOUND_DND,
    "tags": TEXTS,
    "customFields": FIELDS,
}
_CREATE: Schema = {
    **_CHANGE,
    "locationId": NEEDED,
    "companyName": MAYBE,
    "gender": TEXT,
    "source": TEXT,
    "assignedTo": TEXT,
}
_UPSERT: Schema = {**_CREATE, "createNewIfDuplicateAllowed": FLAG}


class Contacts:
    """Answers the requests about contacts."""

    def __init__(self, store: Store, settings: GhlSimSettings) -> None:
        """Work on *store*."""
        self._store = store
        self._settings = settings
        self._search = ContactSearch(store, settings)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what is answered here."""
        one = "/contacts/{contactId}"
        duplicate = frozenset({"locationId", "number", "email"})
        listed = frozenset({"locationId", "startAfterId", "startAfter", "query", "limit"})
        return (
            Endpoint(method="POST", path="/contacts/", scope=_WRITE, answer=self.create, body=_CREATE),
            Endpoint(
                method="GET",
                path="/contacts/",
                scope=_READ,
                answer=self._search.listed,
                query=listed,
                needs=("locationId",),
            ),
            Endpoint(method="POST", path="/contacts/upsert", scope=_WRITE, answer=self.upsert, body=_UPSERT),
            Endpoint(
                method="POST", path="/contacts/search", scope=_READ, answer=self._search.found, body=SEARCH
            ),
            Endpoint(
                method="GET",
                path="/contacts/search/duplicate",
                scope=_READ,
                answer=self.duplicate,
                query=duplicate,
                needs=("locationId",),
            ),
            Endpoint(method="GET", path=one, scope=_READ, answer=self.get),
            Endpoint(method="PUT", path=one, scope=_WRITE, answer=self.update, body=_CHANGE),
            Endpoint(method="DELETE", path=one, scope=_WRITE, answer=self.delete),
        )

    def contact(self, contact_id: str) -> Contact:
        """Return the contact as it is now; raises `Problem` where there is none."""
        found = self._store.contacts.get(contact_id)
        if found is None:
            raise refusals.missing("Contact", contact_id)
        return found

    def create(self, ask: Ask) -> Reply:
        """Answer ``POST /contacts/``."""
        now = self._store.clock.now()
        blank = Contact(id="", added_at=now, updated_at=now)
        draft = self._changed(blank, ask.body, now=now)
        if not self._settings.allow_duplicate_contact:
            self._refuse_duplicate(draft)
        stored = self._store.contacts.put(replace(draft, id=self._store.ids.next()))
        return Reply(status=201, body={"contact": self._wire(stored)})

    def update(self, ask: Ask) -> Reply:
        """Answer ``PUT /contacts/{id}``; ``tags`` replaces all tags."""
        now = self._store.clock.now()
        draft = self._changed(self.contact(ask.parts["contactId"]), ask.body, now=now)
        if not self._settings.allow_duplicate_contact:
            self._refuse_duplicate(draft)
        return Reply(body={"succeded": True, "contact": self._wire(self._store.contacts.put(draft))})

    def upsert(self, ask: Ask) -> Reply:
        """Answer ``POST /contacts/upsert``: the first key that hits wins, the other one is ignored."""
        body = dict(ask.body)
        may_create = body.pop("createNewIfDuplicateAllowed", False) and self._settings.allow_duplicate_contact
        now = self._store.clock.now()
        draft = self._changed(Contact(id="", added_at=now, updated_at=now), body, now=now)
        hits = self._hits(draft)
        trace = self._store.ids.trace()
        if may_create or not hits:
            stored = self._store.contacts.put(replace(draft, id=self._store.ids.next()))
            return Reply(body={"new": True, "contact": self._wire(stored), "traceId": trace})
        winner = next(iter(hits.values()))
        for name, owner in hits.items():
            if owner.id != winner.id:
                body.pop(name)
        stored = self._store.contacts.put(self._changed(winner, body, now=now))
        return Reply(body={"new": False, "contact": self._wire(stored), "traceId": trace})

    def get(self, ask: Ask) -> Reply:
        """Answer ``GET /contacts/{id}``, never behind."""
        return Reply(body={"contact": self._wire(self.contact(ask.parts["contactId"]))})

    def delete(self, ask: Ask) -> Reply:
        """Answer ``DELETE /contacts/{id}``: what hangs on the contact goes with it."""
        contact_id = self.contact(ask.parts["contactId"]).id
        for shelf in (self._store.opportunities, self._store.notes, self._store.tasks):
            for record in shelf.find("contact", contact_id):
                shelf.remove(record.id)
        self._store.contacts.remove(contact_id)
        return Reply(body={"succeded": True})

    def duplicate(self, ask: Ask) -> Reply:
        """Answer ``GET /contacts/search/duplicate``: one key is asked after the other, null when none hits.

        A number is compared as it is written: one that is not E.164 misses.
        """
        contacts = self._store.contacts
        find = contacts.index.find if self._settings.duplicate_search_lags else contacts.find
        sent = {"email": ask.query.get("email", "").lower(), "phone": ask.query.get("number", "")}
        for name in self._settings.match_order:
            found = find(name, sent[name]) if sent[name] else []
            if found:
                return Reply(body={"contact": self._wire(found[0])})
        return Reply(body={"contact": None})

    def _wire(self, contact: Contact) -> dict[str, Any]:
        return wire.contact(contact, location_id=self._settings.location_id)

    def _hits(self, draft: Contact) -> dict[str, Contact]:
        """Return, in the order of matching, which other contact has a key of *draft*."""
        keys = {"email": draft.email.lower(), "phone": draft.phone}
        hits: dict[str, Contact] = {}
        for name in self._settings.match_order:
            others = [one for one in self._store.contacts.find(name, keys[name]) if one.id != draft.id]
            if keys[name] and others:
                hits[name] = others[0]
        return hits

    def _refuse_duplicate(self, draft: Contact) -> None:
        for name, owner in self._hits(draft).items():
            raise refusals.duplicate_contact(owner, field=name, trace=self._store.ids.trace())

    def _changed(self, contact: Contact, body: Mapping[str, Any], *, now: datetime) -> Contact:
        """Return *contact* with what *body* says; null and ``""`` clear."""
        changes: dict[str, Any] = {
            attribute: body[name] or ""
            for name, attribute in wire.CONTACT_TEXTS.items()
            if name in body and name != "phone"
        }
        if "name" in body and "firstName" not in body and "lastName" not in body:
            first, _, last = (body["name"] or "").strip().partition(" ")
            changes |= {"first_name": first, "last_name": last.strip()}
        if "phone" in body:
            changes["phone"] = self._phone(body["phone"] or "")
        if "tags" in body:
            changes["tags"] = values.tags(body["tags"])
        if "customFields" in body:
            changes["custom_fields"] = values.merged(
                contact.custom_fields,
                body["customFields"],
                fields=self._store.custom_fields,
                model="contact",
            )
        if "dnd" in body:
            changes["dnd"] = body["dnd"]
        for name, attribute in (
            ("dndSettings", "dnd_settings"),
            ("inboundDndSettings", "inbound_dnd_settings"),
        ):
            if name in body:
                changes[attribute] = {**getattr(contact, attribute), **body[name]}
        return replace(contact, **changes, updated_at=now)

    def _phone(self, text: str) -> str:
        if not text:
            return ""
        number = values.e164(text, country=self._settings.country)
        if number is not None:
            return number
        if self._settings.invalid_phone is InvalidPhone.REJECT:
            raise refusals.unprocessable(
                ["phone must be a valid phone number"], trace=self._store.ids.trace()
            )
        return text if self._settings.invalid_phone is InvalidPhone.KEEP else ""
