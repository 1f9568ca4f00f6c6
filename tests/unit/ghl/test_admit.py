from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contracts import GHL_WEBHOOKS, if_published
from support.signing import header, public_of

from pcd.ghl.admit import Doorkeeping, Hint, Refused, admit, is_news

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
SEED = bytes(range(32))
RULES = Doorkeeping(key=public_of(SEED), secret=b"heron-secret", subaccount_id="loc1")
BEARER = {"Authorization": "Bearer heron-secret"}


def hook(**fields: object) -> bytes:
    told = {"type": "ContactUpdate", "locationId": "loc1", "id": "c1", "timestamp": NOW.isoformat(), **fields}
    return json.dumps(told).encode()


def signed(body: bytes, *, seed: bytes = SEED) -> dict[str, str]:
    return {"X-GHL-Signature": header(body, seed=seed)}


def ask(headers: dict[str, str], body: bytes, rules: Doorkeeping = RULES) -> Hint | Refused | None:
    return admit(headers, body, rules=rules, now=NOW)


def test_signed_webhook_is_believed() -> None:
    body = hook(webhookId="w1", email="a@heron.example")
    hint = ask(signed(body), body)
    assert isinstance(hint, Hint)
    assert (hint.model, hint.record_id, hint.webhook_id) == ("contact", "c1", "w1")


def test_webhook_of_a_workflow_is_believed_for_its_secret() -> None:
    hint = ask(BEARER, json.dumps({"contact_id": "c2", "first_name": "Otter"}).encode())
    assert isinstance(hint, Hint)
    assert (hint.model, hint.record_id) == ("contact", "c2")


@pytest.mark.parametrize(
    ("headers", "body", "rules", "status"),
    [
        pytest.param({}, hook(), RULES, 401, id="nothing"),
        pytest.param({"Authorization": "Bearer wrong"}, hook(), RULES, 401, id="wrong secret"),
        pytest.param({"Authorization": "Bearer "}, hook(), Doorkeeping(), 401, id="no secret is none"),
        pytest.param(signed(hook()), hook(id="c2"), RULES, 401, id="changed on its way"),
        pytest.param(signed(hook(), seed=bytes(32)), hook(), RULES, 401, id="somebody else's signature"),
        pytest.param({**BEARER, "X-GHL-Signature": "?"}, hook(), RULES, 401, id="a signature counts alone"),
        pytest.param(signed(hook()), hook(), Doorkeeping(secret=b"s"), 401, id="no key is configured"),
        pytest.param(BEARER, b"{", RULES, 400, id="no JSON"),
        pytest.param(BEARER, b"[]", RULES, 400, id="no object"),
        pytest.param(BEARER, hook(locationId="loc2"), RULES, 403, id="another subaccount"),
    ],
)
def test_anything_else_is_refused(
    headers: dict[str, str], body: bytes, rules: Doorkeeping, status: int
) -> None:
    found = ask(headers, body, rules)
    assert isinstance(found, Refused)
    assert found.status == status


@pytest.mark.parametrize(
    ("timestamp", "is_refused"),
    [
        pytest.param((NOW - timedelta(minutes=4)).isoformat(), False, id="minutes ago"),
        pytest.param((NOW - timedelta(minutes=6)).isoformat(), True, id="too old: a replay"),
        pytest.param((NOW + timedelta(minutes=6)).isoformat(), True, id="far ahead"),
        pytest.param(1795428000000, False, id="milliseconds"),
        pytest.param(None, True, id="it does not say"),
    ],
)
def test_signed_webhook_is_good_for_five_minutes(timestamp: object, *, is_refused: bool) -> None:
    body = hook(timestamp=timestamp)
    assert isinstance(ask(signed(body), body), Refused) is is_refused


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"type": "OpportunityStageUpdate", "id": "o1"}, ("opportunity", "o1"), id="opportunity"),
        pytest.param({"type": "NoteCreate", "id": "n1", "contactId": "c7"}, ("contact", "c7"), id="note"),
        pytest.param({"type": "InboundMessage", "contactId": "c7"}, ("contact", "c7"), id="message"),
        pytest.param({"type": "TaskCreate", "id": "t1"}, None, id="task, which does not say whose"),
        pytest.param({"type": "UserCreate", "id": "u1"}, None, id="something else"),
    ],
)
def test_hint_says_what_to_look_at(fields: dict[str, str], expected: tuple[str, str] | None) -> None:
    hint = ask(BEARER, hook(**fields))
    found = (hint.model, hint.record_id) if isinstance(hint, Hint) else hint
    assert found == expected


def test_fields_may_lie_one_level_deeper() -> None:
    body = json.dumps(
        {"timestamp": NOW.isoformat(), "data": {"type": "OpportunityUpdate", "id": "o1"}}
    ).encode()
    hint = ask(signed(body), body)
    assert isinstance(hint, Hint)
    assert (hint.model, hint.record_id) == ("opportunity", "o1")


STORED = {
    "id": "c1",
    "email": "a@heron.example",
    "tags": ["b", "a"],
    "dnd": False,
    "customFields": [{"id": "f", "value": "1"}],
    "monetaryValue": 40,
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({"email": "a@heron.example", "tags": ["a", "b"]}, False, id="all known"),
        pytest.param({"customFields": [{"value": "1", "id": "f"}], "monetaryValue": 40.0}, False, id="same"),
        pytest.param({"website": "", "dnd": False, "assignedTo": None}, False, id="empty is absent"),
        pytest.param({"email": "b@heron.example"}, True, id="changed"),
        pytest.param({"tags": ["a"]}, True, id="one tag less"),
        pytest.param({"city": "Miami"}, True, id="new"),
        pytest.param({"type": "ContactDelete"}, True, id="deleted"),
        pytest.param({"type": "NoteCreate", "contactId": "c1"}, True, id="beside it"),
    ],
)
def test_echo_of_our_own_write_is_no_news(told: dict[str, Any], *, expected: bool) -> None:
    hint = ask(BEARER, hook(**told))
    assert isinstance(hint, Hint)
    assert is_news(hint, STORED) is expected
    assert is_news(hint, None)


@given(
    st.binary(max_size=100), st.dictionaries(st.sampled_from(["Authorization", "X-GHL-Signature"]), st.text())
)
def test_whatever_is_sent_is_judged(body: bytes, headers: dict[str, str]) -> None:
    assert isinstance(ask(headers, body), Refused)


@if_published
@pytest.mark.parametrize(
    "name", ["ContactUpdate", "ContactTagUpdate", "OpportunityStageUpdate", "InboundMessage"]
)
def test_documented_webhook_is_understood(name: str) -> None:
    example = json.loads((GHL_WEBHOOKS / f"{name}.json").read_text())["examples"][0]
    rules = Doorkeeping(secret=b"heron-secret", subaccount_id=example["locationId"])
    assert isinstance(ask(BEARER, json.dumps(example).encode(), rules), Hint)
