"""The simulated webhooks against the schemas that GoHighLevel published."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
from support.contracts import GHL_WEBHOOKS, if_published

from pcd.sim.clock import SimClock
from pcd.sim.ghl.announce import announcements
from pcd.sim.ghl.defaults import PIPELINES
from pcd.sim.ghl.records import Contact, Message, Note, Task
from pcd.sim.ghl.server import Simulator
from pcd.sim.ghl.settings import GhlSimSettings

NOW = datetime(2026, 9, 4, 12, 0, tzinfo=UTC)
# In practice beside what the schemas list. Source: ``WebhookAuthentication.md`` of highlevel-api-docs.
ENVELOPE = {"timestamp", "webhookId"}
# In the examples of the documents, though not in the schemas.
EXAMPLES = {"InboundMessage": {"contentType", "status"}, "OutboundMessage": {"contentType", "status"}}

pytestmark = if_published


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GHL_WEBHOOKS / f"{kind}.json").read_text(encoding="utf-8"))["schema"]
    return found


def lively() -> list[dict[str, Any]]:
    """Return the webhooks of a life in which everything happens once."""
    simulator = Simulator(GhlSimSettings(), clock=SimClock(NOW, speed=0))
    store, person, stages = simulator.store, simulator.person, PIPELINES[0].stages
    owner = person.add_contact(
        first_name="Maple", email="a@example.com", phone="+12025550101", custom_fields={"f": ("x",)}
    )
    person.tag(owner.id, "vip")
    card = person.add_card(owner.id, name="Pool", pipeline_id=PIPELINES[0].id, stage_id=stages[0].id)
    person.move_card(card.id, stages[1].id)
    person.set_value(card.id, 10)
    person.set_status(card.id, "won")
    simulator.conversations.receive(owner.id, "STOP")
    note = store.notes.put(Note(id="n", contact_id=owner.id, body="called", added_at=NOW))
    store.notes.put(note)
    store.notes.remove("n")
    task = Task(id="t", contact_id=owner.id, title="call", due_date="2026-09-05T12:00:00Z")
    store.tasks.put(task)
    store.tasks.put(replace(task, completed=True))
    store.tasks.remove("t")
    person.delete_contact(owner.id)
    return list(store.courier.pending)


def test_each_webhook_fits_its_schema_and_carries_nothing_beside_it() -> None:
    found = lively()
    assert len({payload["type"] for payload in found}) >= 16
    for payload in found:
        kind = payload["type"]
        jsonschema.Draft202012Validator(schema(kind)).validate(payload)
        extra = set(payload) - set(schema(kind)["properties"]) - ENVELOPE - EXAMPLES.get(kind, set())
        assert extra == set(), kind


def test_nothing_is_announced_of_what_has_no_webhook() -> None:
    task = Task(id="t", contact_id="c", title="call", due_date="2026-09-05T12:00:00Z")
    assert announcements(task, task, location_id="l") == []
    contact = Contact(id="c", added_at=NOW, updated_at=NOW)
    assert [one["type"] for one in announcements(contact, contact, location_id="l")] == ["ContactUpdate"]
    message = Message(
        id="m", conversation_id="v", contact_id="c", kind="SMS", direction="outbound", body="x", added_at=NOW
    )
    assert [one["type"] for one in announcements(None, message, location_id="l")] == ["OutboundMessage"]
    assert announcements(message, message, location_id="l") == []
