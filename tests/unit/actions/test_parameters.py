from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pcd.actions import CATALOGUE


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("send_sms", {"text": "Hi {customer.name}"}),
        ("send_sms", {"template": "estimate_sent"}),
        ("send_email", {"subject": "Hi", "text": "<p>{customer.name}</p>"}),
        ("move_opportunity", {"stage": "estimate_followup"}),
        ("upsert_contact", {}),
        ("add_note", {"body": "Called."}),
        ("add_tags", {"tags": ["vip"]}),
        ("remove_tags", {"tags": ["vip"]}),
        ("create_task", {"title": "Call", "due_in": "2d"}),
        ("enrol_in_ghl_workflow", {"workflow_id": "w1"}),
        ("post_webhook", {"webhook": "n8n", "data": {"name": "{customer.name}", "list": [1, "{job.id}"]}}),
        ("post_webhook", {"url": "https://example.com/hook"}),
        ("post_slack", {"text": "New job {job.number}"}),
        ("query", {"sql": "SELECT 1", "into": "answer"}),
        ("wait", {"for": "2d"}),
        ("ask_agent", {"instruction": "Thank {customer.name}", "allow": ["send_sms", "add_note"]}),
    ],
)
def test_action_takes_what_it_needs(action: str, given: dict[str, Any]) -> None:
    assert isinstance(msgspec.convert(given, CATALOGUE[action].parameters), CATALOGUE[action].parameters)


@pytest.mark.parametrize(
    ("action", "given", "says"),
    [
        ("send_sms", {}, "template or text"),
        ("send_sms", {"text": "a", "template": "b"}, "template or text"),
        ("send_sms", {"text": "a", "to": "+1"}, "to"),
        ("send_sms", {"text": "{{ a"}, "line 1"),
        ("send_sms", {"text": "x" * 1601}, "length"),
        ("send_email", {"text": "a"}, "subject"),
        ("move_opportunity", {"stage": "nowhere"}, "nowhere"),
        ("add_note", {"body": ""}, "length"),
        ("add_tags", {"tags": []}, "length"),
        ("create_task", {"title": "a", "due_in": "soon"}, "duration"),
        ("post_webhook", {"url": "ftp://example.com"}, "https://"),
        ("post_webhook", {"url": "file:///etc/passwd"}, "https://"),
        ("post_webhook", {}, "webhook or url"),
        ("post_webhook", {"webhook": "a", "data": {"x": ["{{ b"]}}, "line 1"),
        ("query", {"sql": "SELECT 1", "into": "a.b"}, "regex"),
        ("query", {"sql": "SELECT 1", "into": "a", "max_rows": 0}, ">= 1"),
        ("wait", {"for": "2"}, "duration"),
        ("ask_agent", {"instruction": "a", "allow": ["query"]}, "query"),
        ("ask_agent", {"instruction": "a", "allow": []}, "length"),
        ("ask_agent", {"instruction": "a", "max_calls": 1000}, "<= 10"),
    ],
)
def test_action_refuses_what_it_cannot_use(action: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(given, CATALOGUE[action].parameters)
