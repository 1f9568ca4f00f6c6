from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.messaging import NOON, Messaging

from pcd.errors import ConditionError
from pcd.messages.keeper import seed
from pcd.sim.trouble import Trouble
from pcd.workflows.outcome import Blocked, Done, Fail, Retry, Wait

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = pytest.mark.asyncio
SENDING = "/conversations/messages"
ESTIMATE = {
    "customer.name": "Heron Court",
    "estimate.total": 1500,
    "estimate.name": "a heat pump",
    "business.phone": "(813) 555-0100",
}


async def test_template_is_filled_and_sent(desk: Messaging) -> None:
    await desk.customer()
    await seed(desk.db)
    desk.facts |= ESTIMATE
    outcome = await desk.perform("send_sms", {"template": "estimate_sent"})
    assert isinstance(outcome, Done)
    assert outcome.messages == 1
    (said,) = desk.texts()
    assert said.startswith("Hi Heron Court, your estimate for a heat pump comes to $1500.")
    row = await desk.db.fetchrow(
        "SELECT usage_count, last_used_at FROM automation.messaging_templates WHERE name = 'estimate_sent'"
    )
    assert row is not None
    assert row["usage_count"] == 1
    (logged,) = await desk.log()
    assert logged["template_id"] is not None
    assert logged["workflow_instance_id"] == desk.instance_id


@pytest.mark.parametrize(
    "given", [{"template": "estimate_sent"}, {"text": "Call {business.phone}, {customer.name}!"}]
)
@pytest.mark.parametrize("value", [None, "", " "])
async def test_missing_variable_fails_before_anything_is_sent_and_is_named(
    desk: Messaging, given: dict[str, str], value: str | None
) -> None:
    await desk.customer()
    await seed(desk.db)
    desk.facts |= ESTIMATE | {"business.phone": value}
    outcome = await desk.perform("send_sms", given)
    assert isinstance(outcome, Fail)
    assert "business.phone" in outcome.error
    assert (desk.texts(), await desk.log(), len(desk.sim.calls)) == ([], [], 0)


async def test_variable_that_a_template_requires_without_using_it_is_missed_too(desk: Messaging) -> None:
    await desk.customer()
    await desk.db.execute(
        "INSERT INTO automation.messaging_templates (name, channel, body_template, required_variables) "
        "VALUES ('short', 'sms', 'Hello.', '[\"review.link\"]')"
    )
    outcome = await desk.perform("send_sms", {"template": "short"})
    assert outcome == Fail(error="template 'short': review.link is missing")


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ("'t', 'email', 'Hi', true", "is for email, not for sms"),
        ("'t', 'sms', 'Hi', false", "is not active"),
        ("'t', 'sms', '{{ a', true", "line 1"),
        ("'other', 'sms', 'Hi', true", "there is no template 't'"),
    ],
)
async def test_unusable_template_is_named(desk: Messaging, columns: str, why: str) -> None:
    await desk.customer()
    await desk.db.execute(
        "INSERT INTO automation.messaging_templates (name, channel, body_template, active) "
        f"VALUES ({columns})"
    )
    outcome = await desk.perform("send_sms", {"template": "t"})
    assert isinstance(outcome, Fail)
    assert why in outcome.error


async def test_fact_that_nobody_declared_is_named(desk: Messaging) -> None:
    class Strict:
        known: dict[str, Any] = {}  # noqa: RUF012 - never written

        async def get(self, name: str) -> Any:  # noqa: ANN401 - a fact of any type
            raise ConditionError(f"there is no fact {name}")

    await desk.customer()
    outcome = await desk.perform("send_sms", {"text": "Hi {customer.nmae}"}, facts=Strict())
    assert isinstance(outcome, Fail)
    assert "customer.nmae" in outcome.error


async def test_context_of_the_instance_is_told_as_well(desk: Messaging) -> None:
    await desk.customer()
    context = {"balance": {"open": "12.50"}}
    await desk.perform("send_sms", {"text": "{balance.open} {context.balance.open}"}, context=context)
    assert desk.texts() == ["12.50 12.50"]


async def test_html_of_an_email_escapes_what_customers_wrote(desk: Messaging) -> None:
    await desk.customer()
    desk.facts["customer.name"] = "<script>alert(1)</script>"
    await desk.perform("send_email", {"subject": "For {customer.name}", "text": "<p>Hi {customer.name}</p>"})
    (html,) = desk.texts()
    assert html == "<p>Hi &lt;script&gt;alert(1)&lt;/script&gt;</p>"


async def test_step_that_is_tried_again_sends_nothing_again(desk: Messaging) -> None:
    await desk.customer()
    for attempt in (1, 2, 3):
        outcome = await desk.perform("send_sms", {"text": "Hello."}, attempt=attempt)
        assert isinstance(outcome, Done)
        assert outcome.messages == 1
    assert desk.texts() == ["Hello."]


async def test_parked_message_is_a_dead_letter_that_says_what_to_do(desk: Messaging) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.RESET_AFTER, path=SENDING)
    for _ in range(2):
        outcome = await desk.perform("send_sms", {"text": "Hello."})
        assert isinstance(outcome, Fail)
        assert outcome.is_unknown
        assert "pcd messages release" in outcome.error
    assert desk.texts() == ["Hello."]


async def test_fallback_does_not_send_a_second_message(desk: Messaging) -> None:
    await desk.customer()
    desk.sim.troubles.plan(Trouble.HANG_AFTER, path=SENDING, seconds=5)
    with anyio.move_on_after(0.4):
        await desk.perform("send_sms", {"text": "Hello."})
    key = f"{desk.instance_id}:1:fallback"
    outcome = await desk.perform("send_sms", {"text": "Instead."}, idempotency_key=key)
    assert isinstance(outcome, Fail)
    assert outcome.is_unknown
    assert desk.texts() == ["Hello."]


async def test_fallback_of_a_message_that_was_refused_goes_out(desk: Messaging) -> None:
    await desk.customer(email="none")
    await desk.perform("send_email", {"subject": "a", "text": "b"}, config=desk.through(email="sendgrid"))
    key = f"{desk.instance_id}:1:fallback"
    assert isinstance(await desk.perform("send_sms", {"text": "Instead."}, idempotency_key=key), Done)
    assert desk.texts() == ["Instead."]


@pytest.mark.parametrize(
    ("columns", "until"),
    [({"sms_opted_out": True}, None), ({"timezone": "Asia/Tokyo"}, "2026-06-10T23:00:00+00:00")],
)
async def test_message_that_may_not_go_is_blocked_for_its_step_to_decide(
    desk: Messaging, columns: dict[str, Any], until: str | None
) -> None:
    await desk.customer()
    await desk.prefer(**columns)
    outcome = await desk.perform("send_sms", {"text": "Hello."})
    assert isinstance(outcome, Blocked)
    assert _text(outcome.until) == until


async def test_stop_condition_that_holds_now_has_the_instance_judged_again(desk: Messaging) -> None:
    await desk.customer()

    async def sold() -> str:
        return "goal_achieved"

    outcome = await desk.perform("send_sms", {"text": "Hello."}, still_allowed=sold)
    assert outcome == Wait(until=NOON, reason="goal_achieved")
    assert desk.texts() == []


async def test_trial_shows_the_message_and_leaves_no_trace(desk: Messaging) -> None:
    await desk.customer()
    desk.facts["customer.name"] = "Heron Court"
    outcome = await desk.perform("send_sms", {"text": "Hi {customer.name}"}, dry_run=True)
    assert isinstance(outcome, Done)
    assert outcome.output["would_send"]["text"] == "Hi Heron Court"
    assert (desk.texts(), await desk.log()) == ([], [])


async def test_event_without_a_customer_writes_to_nobody(desk: Messaging) -> None:
    assert isinstance(await desk.perform("send_sms", {"text": "Hello."}, customer_id=None), Fail)


async def test_customer_who_has_no_contact_yet_is_tried_again(desk: Messaging) -> None:
    await desk.customer()
    await desk.db.execute("UPDATE pcd.crm_customers SET contact_id = NULL")
    assert isinstance(await desk.perform("send_sms", {"text": "Hello."}), Retry)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
