from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from support.messaging import NOON, Messaging

from pcd.actions import CATALOGUE
from pcd.config import Secret
from pcd.config.shape import AlertsConfig, SlackConfig
from pcd.sim.trouble import Throttling, Trouble
from pcd.workflows.outcome import Done, Fail, Retry, Wait

pytestmark = pytest.mark.asyncio


async def test_every_declared_action_is_built(desk: Messaging) -> None:
    actions = desk.actions()
    assert list(actions) == list(CATALOGUE)
    for name, action in actions.items():
        assert (action.name, action.parameters, action.is_message) == (
            name,
            CATALOGUE[name].parameters,
            CATALOGUE[name].is_message,
        )


async def test_webhook_gets_the_event_the_secret_and_a_key(desk: Messaging) -> None:
    desk.facts["customer.name"] = "Heron Court"
    given = {"webhook": "n8n", "data": {"name": "{customer.name}", "tags": ["a", 1, None]}}
    outcome = await desk.perform("post_webhook", given)
    assert outcome == Done(output={"status": 200})
    (posting,) = desk.providers.received.hooks
    assert posting.body["data"] == {"name": "Heron Court", "tags": ["a", 1, None]}
    assert set(posting.body) == {"event_id", "type", "occurred_at", "data"}
    assert posting.headers["X-PCD-Secret"] == "s3cret"
    assert posting.headers["Idempotency-Key"] == f"{desk.instance_id}:1"


async def test_webhook_without_data_gets_what_is_known_of_the_instance(desk: Messaging) -> None:
    await desk.perform("post_webhook", {"webhook": "n8n"}, context={"seen": 1})
    (posting,) = desk.providers.received.hooks
    assert posting.body["data"]["context"] == {"seen": 1}
    assert posting.body["data"]["entity_id"] == 7


async def test_webhook_that_is_tried_again_carries_the_same_key(desk: Messaging) -> None:
    for trouble in (Trouble.SERVER_ERROR, Trouble.RESET_AFTER):
        desk.providers.troubles.plan(trouble, path="/webhook")
        assert isinstance(await desk.perform("post_webhook", {"webhook": "n8n"}), Retry)
    assert isinstance(await desk.perform("post_webhook", {"webhook": "n8n"}), Done)
    keys = [posting.headers["Idempotency-Key"] for posting in desk.providers.received.hooks]
    assert keys == [f"{desk.instance_id}:1"] * 2


async def test_webhook_waits_as_long_as_it_is_told(desk: Messaging) -> None:
    desk.providers.troubles.plan(
        Trouble.RATE_LIMITED, path="/webhook", seconds=9, throttling=Throttling.JSON_HEADER
    )
    outcome = await desk.perform("post_webhook", {"webhook": "n8n"})
    assert isinstance(outcome, Retry)
    assert outcome.after == timedelta(seconds=9)


async def test_refusal_of_a_webhook_is_final(desk: Messaging) -> None:
    desk.providers.received.inactive.add("flow")
    outcome = await desk.perform("post_webhook", {"webhook": "n8n"})
    assert isinstance(outcome, Fail)
    assert "not registered" in outcome.error
    unknown = await desk.perform("post_webhook", {"webhook": "nobody"})
    assert unknown == Fail(error="post_webhook: no [[workflows.webhooks]] is named 'nobody'")


async def test_answer_of_a_webhook_may_go_into_the_context(desk: Messaging) -> None:
    outcome = await desk.perform("post_webhook", {"webhook": "n8n", "into": "answer"})
    assert isinstance(outcome, Done)
    assert outcome.context == {"answer": {"message": "Workflow was started"}}


async def test_trial_posts_nothing(desk: Messaging) -> None:
    for name, given in (("post_webhook", {"webhook": "n8n"}), ("post_slack", {"text": "Hi"})):
        assert isinstance(await desk.perform(name, given, dry_run=True), Done)
    assert desk.providers.received.hooks == []
    assert desk.providers.received.slack == []


async def test_slack_is_told_and_no_name_becomes_a_mention(desk: Messaging) -> None:
    desk.facts["customer.name"] = "<!channel> & Sons"
    config = msgspec.structs.replace(
        desk.config, alerts=AlertsConfig(slack=SlackConfig(webhook_url=Secret(desk.providers.slack_url)))
    )
    outcome = await desk.perform("post_slack", {"text": "*New* job for {customer.name}"}, config=config)
    assert outcome == Done()
    assert desk.providers.received.slack == [{"text": "*New* job for &lt;!channel&gt; &amp; Sons"}]


async def test_slack_is_left_alone_as_long_as_it_asks(desk: Messaging) -> None:
    desk.providers.troubles.plan(
        Trouble.RATE_LIMITED, path="/webhook", seconds=9, throttling=Throttling.JSON_HEADER
    )
    outcome = await desk.perform("post_slack", {"text": "Hi", "webhook": "n8n"})
    assert isinstance(outcome, Retry)
    assert outcome.after == timedelta(seconds=9)


async def test_slack_without_an_address_says_which_key_is_not_set(desk: Messaging) -> None:
    outcome = await desk.perform("post_slack", {"text": "Hi"})
    assert outcome == Fail(error="post_slack: alerts.slack.webhook_url is not set")
    assert isinstance(await desk.perform("post_slack", {"text": "Hi", "webhook": "office"}), Done)


@pytest.mark.parametrize(
    ("given", "context"),
    [
        pytest.param(
            {
                "sql": "SELECT name FROM servicetitan.st_customers WHERE st_id = $1",
                "parameters": ["{estimate.id}"],
            },
            [{"name": "Heron Court 1"}],
            id="bound-fact",
        ),
        pytest.param({"sql": "SELECT 1.50::numeric AS n", "single": True}, {"n": "1.50"}, id="single"),
        pytest.param({"sql": "SELECT 1 WHERE false", "single": True}, None, id="nothing"),
        pytest.param(
            {"sql": "SELECT $1::text AS t", "parameters": ["'; DROP TABLE x; --"]},
            [{"t": "'; DROP TABLE x; --"}],
            id="never-interpolated",
        ),
    ],
)
async def test_query_puts_rows_into_the_context(desk: Messaging, given: dict[str, Any], context: Any) -> None:  # noqa: ANN401
    await desk.customer()
    desk.facts["estimate.id"] = 1
    outcome = await desk.perform("query", {"into": "found", **given})
    assert isinstance(outcome, Done)
    assert outcome.context == {"found": context}


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        pytest.param("DELETE FROM servicetitan.st_customers", "only SELECT", id="write"),
        pytest.param(
            "WITH gone AS (DELETE FROM servicetitan.st_customers RETURNING st_id) SELECT * FROM gone",
            "read-only",
            id="write-within",
        ),
        pytest.param("SELECT nextval('automation.event_sequence')", "read-only", id="sequence"),
        pytest.param("SELECT 1; DELETE FROM servicetitan.st_customers", "multiple commands", id="two"),
        pytest.param("SELECT nothing FROM nowhere", "nowhere", id="unknown"),
        pytest.param("SELECT 1 / 0", "zero", id="data"),
        pytest.param("SELECT generate_series(1, 200)", "more than 100 rows", id="rows"),
        pytest.param("SELECT repeat('x', 70000)", "bytes", id="bytes"),
        pytest.param("SELECT $1::bigint", "takes 1 parameters, 0", id="parameters"),
    ],
)
async def test_query_that_is_wrong_fails_and_changes_nothing(desk: Messaging, sql: str, why: str) -> None:
    await desk.customer()
    outcome = await desk.perform("query", {"into": "found", "sql": sql})
    assert isinstance(outcome, Fail)
    assert why in outcome.error
    assert await desk.db.fetchval("SELECT count(*) FROM servicetitan.st_customers") == 1


async def test_wait_waits_once(desk: Messaging) -> None:
    asked = await desk.perform("wait", {"for": "2h"})
    assert asked == Wait(until=NOON + timedelta(hours=2), reason="waits")
    desk.clock.at += timedelta(hours=1)
    until = NOON + timedelta(hours=2)
    assert await desk.perform("wait", {"for": "2h"}, waited_until=until) == asked
    desk.clock.at = until
    assert isinstance(await desk.perform("wait", {"for": "2h"}, waited_until=until), Done)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT set_config('search_path', 'nowhere', false)", id="setting"),
        pytest.param("SELECT set_config('statement_timeout', '1', false)", id="timeout"),
        pytest.param("SELECT pg_advisory_lock(4711)::text", id="lock"),
        pytest.param("SELECT set_config('role', 'pg_monitor', false)", id="role"),
    ],
)
async def test_query_leaves_nothing_behind_in_its_connection(desk: Messaging, sql: str) -> None:
    """The next statement that borrows it is somebody else's."""
    said = "SELECT current_setting('search_path'), current_setting('statement_timeout'), current_user"
    before = await desk.db.fetchrow(said)
    await desk.perform("query", {"into": "found", "sql": sql})
    assert await desk.db.fetchrow(said) == before
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
    assert await desk.db.fetchval(locks) == 0
