from __future__ import annotations

import time

import pytest

from pcd.workflows.natural import leave_open, understand


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        ("Send SMS to customer: 'Hi {customer.name}'", "Hi {customer.name}"),
        ("Send SMS to customer: 'Hi, it's us. Don't miss it!'", "Hi, it's us. Don't miss it!"),
        ('Send an SMS to the customer: "Hello"', "Hello"),
        ("send text message to customer saying 'Hello'.", "Hello"),
        ("Send SMS to customer: 'first\nsecond'", "first\nsecond"),
        ("Please send a text to the customer: \u201cHello\u201d", "Hello"),
        ("SMS to customer: 'Hello'", "Hello"),
    ],
)
def test_text_message_is_understood_as_what_it_says(instruction: str, text: str) -> None:
    assert understand(instruction) == ("send_sms", {"text": text})


@pytest.mark.parametrize(
    ("instruction", "subject", "text"),
    [
        ("Send email to customer with subject 'Your invoice': 'Dear {customer.name}'", "Your invoice", None),
        ('Send an e-mail to the customer, subject: "Hi": "Dear {customer.name}"', "Hi", None),
        ("Send email to customer: 'Dear {customer.name}'", "{business.name}", None),
    ],
)
def test_email_is_understood_as_what_it_says(instruction: str, subject: str, text: str | None) -> None:
    expected = {"subject": subject, "text": text or "Dear {customer.name}"}
    assert understand(instruction) == ("send_email", expected)


@pytest.mark.parametrize(
    "instruction",
    [
        "Send SMS to customer reminding them of the estimate",
        "Send SMS to customer: remind them 'nicely'",
        "Send SMS to the technician: 'Call the customer'",
        "Send SMS to customer: ''",
        "Call the customer",
        "Send SMS to customer: 'half open",
        "Do not send SMS to customer: 'Hello'",
        "Send SMS to customer: 'Hello' and then an email",
        "Send SMS to customer: 'Hello' and later 'Bye'",
        'Send SMS to customer: "Hello" or "Bye"',
        "",
    ],
)
def test_what_leaves_anything_open_is_not_understood(instruction: str) -> None:
    assert understand(instruction) is None


@pytest.mark.parametrize(
    ("instruction", "allow"),
    [
        ("Send SMS reminding them", ["send_sms"]),
        ("Email them, and add a note", ["send_email", "add_note"]),
        ("Do whatever is right", None),
    ],
)
def test_agent_may_do_what_the_instruction_speaks_of(instruction: str, allow: list[str] | None) -> None:
    action, parameters = leave_open(instruction)
    assert action == "ask_agent"
    assert parameters["instruction"] == instruction
    assert parameters.get("allow") == allow


@pytest.mark.parametrize(
    "instruction",
    [
        " " * 20_000,
        "send sms to customer" + " " * 19_000,
        "send" + " " * 10_000 + "sms" + " " * 9_000 + "customer",
        f"send email to customer subject '{'a' * 299}'" + " " * 19_000 + "x",
    ],
    ids=["blanks", "no text", "gaps", "no quote"],
)
def test_instruction_full_of_blanks_is_read_in_no_time(instruction: str) -> None:
    began = time.process_time()
    assert understand(instruction) is None
    assert time.process_time() - began < 1
