"""The sub-account itself: settings, custom fields, tags, users, workflows.

Source: HighLevel API documents of 2026-06-19, ``apps/locations.json``, ``users.json`` and
``workflows.json``. That the choices of a new field come in ``options`` is a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.sim.ghl import refusals, wire
from pcd.sim.ghl.endpoint import Ask, Endpoint, Reply
from pcd.sim.ghl.records import CustomField
from pcd.sim.ghl.schema import ANY, FLAG, NEEDED, NUMBER, TEXT, TEXTS, Property, Schema

if TYPE_CHECKING:
    from pcd.sim.ghl.endpoint import Answerer
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_MODELS = ("contact", "opportunity")
_FIELD: Schema = {
    "name": NEEDED,
    "dataType": NEEDED,
    "model": Property(choices=_MODELS),
    "options": TEXTS,
    "placeholder": TEXT,
    "position": NUMBER,
    "acceptedFormat": TEXTS,
    "isMultipleFile": FLAG,
    "maxNumberOfFiles": NUMBER,
    "textBoxListOptions": ANY,
}
_USER_SEARCH = frozenset(
    {"companyId", "query", "skip", "limit", "locationId", "type", "role", "ids", "sort", "sortDirection"}
)


class Account:
    """Answers the requests about the sub-account."""

    def __init__(self, store: Store, settings: GhlSimSettings) -> None:
        """Work on *store*."""
        self._store = store
        self._settings = settings

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what is answered here."""
        here, where = "/locations/{locationId}", frozenset({"locationId"})
        fields = f"{here}/customFields"
        write = Endpoint(
            method="POST",
            path=fields,
            scope="locations/customFields.write",
            answer=self.add_field,
            body=_FIELD,
        )
        reads: tuple[tuple[str, str, Answerer, frozenset[str], tuple[str, ...]], ...] = (
            (here, "locations.readonly", self.location, frozenset(), ()),
            (fields, "locations/customFields.readonly", self.fields, frozenset({"model"}), ()),
            (f"{here}/tags", "locations/tags.readonly", self.tags, frozenset(), ()),
            ("/users/", "users.readonly", self.users, where, ("locationId",)),
            ("/users/search", "users.readonly", self.found_users, _USER_SEARCH, ("companyId",)),
            ("/users/{userId}", "users.readonly", self.user, frozenset(), ()),
            ("/workflows/", "workflows.readonly", self.workflows, where, ("locationId",)),
        )
        return (
            write,
            *(
                Endpoint(method="GET", path=path, scope=scope, answer=answer, query=query, needs=needs)
                for path, scope, answer, query, needs in reads
            ),
        )

    def location(self, _: Ask) -> Reply:
        """Answer the sub-account and its settings."""
        settings = self._settings
        allowed = {
            "allowDuplicateContact": settings.allow_duplicate_contact,
            "allowDuplicateOpportunity": settings.allow_duplicate_opportunity,
            "allowFacebookNameMerge": False,
            "disableContactTimezone": False,
        }
        body = {
            "id": settings.location_id,
            "companyId": settings.company_id,
            "name": settings.name,
            "country": settings.country,
            "timezone": settings.timezone,
            "settings": allowed,
        }
        return Reply(body={"location": body})

    def fields(self, ask: Ask) -> Reply:
        """Answer the custom fields; those of contacts unless another model is asked for."""
        model = ask.query.get("model", "contact")
        if model not in (*_MODELS, "all"):
            message = "model must be one of the following values: contact, opportunity, all"
            raise refusals.unprocessable([message], trace=self._store.ids.trace())
        found = [self._wire(one) for one in self._store.custom_fields.values() if model in (one.model, "all")]
        return Reply(body={"customFields": found})

    def add_field(self, ask: Ask) -> Reply:
        """Add a custom field."""
        body = ask.body
        model = body.get("model", "contact")
        field = CustomField(
            id=self._store.ids.next(),
            key=f"{model}.{'_'.join(body['name'].lower().split())}",
            name=body["name"],
            model=model,
            data_type=body["dataType"],
            options=tuple(body.get("options", ())),
        )
        if any(field.key == other.key for other in self._store.custom_fields.values()):
            raise refusals.bad_request(f"Custom field with key {field.key} already exists")
        self._store.custom_fields[field.id] = field
        return Reply(status=201, body={"customField": self._wire(field)})

    def tags(self, _: Ask) -> Reply:
        """Answer every tag that a contact has."""
        names = sorted({tag for contact in self._store.contacts.values() for tag in contact.tags})
        location_id = self._settings.location_id
        return Reply(body={"tags": [{"id": name, "name": name, "locationId": location_id} for name in names]})

    def users(self, _: Ask) -> Reply:
        """Answer the users of the sub-account, by the deprecated list."""
        return Reply(body={"users": self._users()})

    def found_users(self, ask: Ask) -> Reply:
        """Answer the users of the company."""
        users = self._users() if ask.query["companyId"] == self._settings.company_id else []
        return Reply(body={"users": users, "count": len(users)})

    def user(self, ask: Ask) -> Reply:
        """Answer one user."""
        found = self._store.users.get(ask.parts["userId"])
        if found is None:
            raise refusals.missing("User", ask.parts["userId"])
        return Reply(body=wire.user(found, location_id=self._settings.location_id))

    def workflows(self, _: Ask) -> Reply:
        """Answer the workflows, drafts included."""
        now = wire.instant(self._store.clock.now())
        location_id = self._settings.location_id
        found = [
            {
                "id": one.id,
                "name": one.name,
                "status": one.status,
                "version": 1,
                "createdAt": now,
                "updatedAt": now,
                "locationId": location_id,
            }
            for one in self._store.workflows.values()
        ]
        return Reply(body={"workflows": found})

    def _users(self) -> list[dict[str, Any]]:
        location_id = self._settings.location_id
        return [wire.user(one, location_id=location_id) for one in self._store.users.values()]

    def _wire(self, field: CustomField) -> dict[str, Any]:
        position = list(self._store.custom_fields).index(field.id) * 50
        return wire.custom_field(field, position=position, location_id=self._settings.location_id)
