from __future__ import annotations

import json
from typing import Any

import pytest

from pcd.actions.agent_tools import AddNote, Decline, SendSms, Use, accept, offered
from pcd.actions.parameters import FOR_AGENTS

KNOWN = "Say thanks. https://example.com/review 10% off, $1,500.00, call (239) 555-0142"


def uses(*each: tuple[str, dict[str, Any]]) -> list[Use]:
    return [Use(name, given) for name, given in each]


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        pytest.param("Hi {customer.name}", "placeholder", id="open-brace"),
        pytest.param("See evil.com", "link", id="invented-domain"),
        pytest.param("Call 813-555-0199", "phone", id="invented-phone"),
        pytest.param("50% off today", "price", id="invented-discount"),
    ],
)
def test_subject_says_no_more_than_was_given_either(subject: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        accept(uses(("send_email", {"subject": subject, "text": "a"})), allow=FOR_AGENTS, known=KNOWN)


def test_no_tool_takes_a_recipient() -> None:
    tools = offered(FOR_AGENTS)
    assert [tool["name"] for tool in tools] == [*FOR_AGENTS, "decline"]
    names = {name for tool in tools for name in tool["input_schema"]["properties"]}
    assert not names & {"to", "phone", "email", "recipient", "customer_id", "contact_id"}
    assert all(tool["input_schema"]["additionalProperties"] is False for tool in tools)
    assert json.dumps(tools)


def test_messages_come_first() -> None:
    found = accept(
        uses(("add_note", {"body": "n"}), ("send_sms", {"text": "Thanks!"})), allow=FOR_AGENTS, known=KNOWN
    )
    assert found == (SendSms(text="Thanks!"), AddNote(body="n"))


def test_decline_stands_alone() -> None:
    given = uses(("send_sms", {"text": "Hi"}), ("decline", {"reason": "no phone"}))
    assert accept(given, allow=FOR_AGENTS, known=KNOWN) == (Decline(reason="no phone"),)


@pytest.mark.parametrize(
    "text",
    [
        "See https://example.com/review!",
        "10% off until Friday",
        "Your estimate of $1,500 stands",
        "Call 239-555-0142 or (239) 555-0142.",
        "Mr. Finch, it is 3 p.m.",
    ],
)
def test_what_was_given_may_be_said(text: str) -> None:
    assert accept(uses(("send_sms", {"text": text})), allow=FOR_AGENTS, known=KNOWN)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param([], "use a tool", id="words-alone"),
        pytest.param([("send_email", {"subject": "a", "text": "b"})], "no tool send_email", id="not-offered"),
        pytest.param([("delete_all", {})], "no tool delete_all", id="unknown"),
        pytest.param(
            [("send_sms", {"text": "a", "to": "+1239"})], "unknown field `to`", id="chosen-recipient"
        ),
        pytest.param([("send_sms", {"text": ""})], "length", id="empty"),
        pytest.param([("send_sms", {"text": "x" * 481})], "length", id="long"),
        pytest.param([("send_sms", {"text": 5})], "Expected `str`", id="number"),
        pytest.param([("send_sms", {})], "missing", id="nothing"),
        pytest.param([("send_sms", {"text": "a"}), ("send_sms", {"text": "b"})], "once", id="two-messages"),
        pytest.param([("send_sms", {"text": "Hi [name]"})], "placeholder", id="open-bracket"),
        pytest.param([("send_sms", {"text": "Hi {customer.name}"})], "placeholder", id="open-brace"),
        pytest.param([("send_sms", {"text": "Pay at http://evil.example"})], "link", id="invented-link"),
        pytest.param([("send_sms", {"text": "Pay at evil.com/x"})], "link", id="invented-domain"),
        pytest.param([("send_sms", {"text": "Call 813-555-0199"})], "phone", id="invented-phone"),
        pytest.param([("send_sms", {"text": "We give you 20% off"})], "price", id="invented-discount"),
        pytest.param([("send_sms", {"text": "Only $99 today"})], "price", id="invented-price"),
    ],
)
def test_invalid_answer_is_refused_whole(given: list[tuple[str, dict[str, Any]]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        accept(uses(*given), allow=("send_sms", "add_note"), known=KNOWN)
