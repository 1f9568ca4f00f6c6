from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from integration.ghl.conftest import CONTACT

from pcd.clock import Clock
from pcd.errors import (
    Duplicate,
    Malformed,
    NoAnswer,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
    WrongPlace,
)
from pcd.ghl import client as client_module
from pcd.ghl.client import GoHighLevel
from pcd.ghl.limiter import Limiter
from pcd.retry import Patience

if TYPE_CHECKING:
    from integration.ghl.conftest import Upstream
    from support.clocks import StandingClock

    from pcd.config import GhlConfig


pytestmark = pytest.mark.asyncio


OPPORTUNITY = {"opportunity": {"id": "o1", "monetaryValue": 12.5}}

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)

Connect = Callable[..., Awaitable[GoHighLevel]]

LIMITS = {
    "X-RateLimit-Limit-Daily": "200000",
    "X-RateLimit-Daily-Remaining": "150000",
    "X-RateLimit-Interval-Milliseconds": "10000",
    "X-RateLimit-Max": "100",
    "X-RateLimit-Remaining": "60",
}

CALLS: list[tuple[Callable[[GoHighLevel], Awaitable[Any]], str, str, Any, dict[str, Any]]] = [
    (lambda g: g.get_contact("c1"), "GET", "/contacts/c1", None, CONTACT),
    (
        lambda g: g.find_duplicate(email="a+b@heron.example"),
        "GET",
        "/contacts/search/duplicate?locationId=loc1&email=a%2Bb@heron.example",
        None,
        CONTACT,
    ),
    (
        lambda g: g.find_duplicate(phone="+13055550100"),
        "GET",
        "/contacts/search/duplicate?locationId=loc1&number=%2B13055550100",
        None,
        CONTACT,
    ),
    (
        lambda g: g.create_contact({"firstName": "Otter"}),
        "POST",
        "/contacts/",
        {"firstName": "Otter", "locationId": "loc1"},
        CONTACT,
    ),
    (lambda g: g.update_contact("c1", {"city": "M"}), "PUT", "/contacts/c1", {"city": "M"}, CONTACT),
    (lambda g: g.add_tags("c1", ["a"]), "POST", "/contacts/c1/tags", {"tags": ["a"]}, {"tags": ["a"]}),
    (lambda g: g.remove_tags("c1", ["a"]), "DELETE", "/contacts/c1/tags", {"tags": ["a"]}, {"tags": []}),
    (lambda g: g.add_note("c1", "hi"), "POST", "/contacts/c1/notes", {"body": "hi"}, {"note": {"id": "n"}}),
    (lambda g: g.notes("c1"), "GET", "/contacts/c1/notes", None, {"notes": [{"id": "n"}]}),
    (
        lambda g: g.add_task("c1", title="Call", due_at=AT, assigned_to="u1"),
        "POST",
        "/contacts/c1/tasks",
        {"title": "Call", "dueDate": "2026-11-24T15:00:00.000Z", "completed": False, "assignedTo": "u1"},
        {"task": {"id": "t"}},
    ),
    (lambda g: g.tasks("c1"), "GET", "/contacts/c1/tasks", None, {"tasks": [{"id": "t"}]}),
    (lambda g: g.enrol("c1", "w1"), "POST", "/contacts/c1/workflow/w1", {}, {"succeded": True}),
    (lambda g: g.workflows(), "GET", "/workflows/?locationId=loc1", None, {"workflows": [{"id": "w"}]}),
    (lambda g: g.get_opportunity("o1"), "GET", "/opportunities/o1", None, OPPORTUNITY),
    (
        lambda g: g.create_opportunity({"name": "n", "monetaryValue": Decimal("12.50")}),
        "POST",
        "/opportunities/",
        {"name": "n", "monetaryValue": 12.5, "locationId": "loc1"},
        OPPORTUNITY,
    ),
    (
        lambda g: g.update_opportunity("o1", {"status": "won"}),
        "PUT",
        "/opportunities/o1",
        {"status": "won"},
        OPPORTUNITY,
    ),
    (
        lambda g: g.opportunities_of("c1"),
        "GET",
        "/opportunities/search?location_id=loc1&status=all&contact_id=c1&limit=100",
        None,
        {"opportunities": [{"id": "o1"}], "meta": {"total": 1}},
    ),
    (
        lambda g: g.pipelines(),
        "GET",
        "/opportunities/pipelines?locationId=loc1",
        None,
        {"pipelines": [{"id": "p"}]},
    ),
    (
        lambda g: g.custom_fields("opportunity"),
        "GET",
        "/locations/loc1/customFields?model=opportunity",
        None,
        {"customFields": [{"id": "f"}]},
    ),
    (lambda g: g.users(), "GET", "/users/?locationId=loc1", None, {"users": [{"id": "u"}]}),
    (lambda g: g.subaccount(), "GET", "/locations/loc1", None, {"location": {"id": "loc1"}}),
    (
        lambda g: g.send_message("c1", kind="SMS", text="hi"),
        "POST",
        "/conversations/messages",
        {"type": "SMS", "contactId": "c1", "message": "hi"},
        {"messageId": "m"},
    ),
    (
        lambda g: g.send_message("c1", kind="Email", subject="S", text="a < b\nc"),
        "POST",
        "/conversations/messages",
        {"type": "Email", "contactId": "c1", "subject": "S", "html": "a &lt; b<br>\nc"},
        {"messageId": "m"},
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "body", "answer"), CALLS)
async def test_each_call_is_written_as_documented(
    ghl: GoHighLevel,
    upstream: Upstream,
    *,
    call: Callable[[GoHighLevel], Awaitable[Any]],
    method: str,
    path: str,
    body: object,
    answer: dict[str, Any],
) -> None:
    upstream.then(answer)
    await call(ghl)
    asked = upstream.asked[0]
    assert (asked.method, asked.path, asked.body) == (method, path, body)
    assert asked.headers["Authorization"] == "Bearer pit-hush-hush"
    assert asked.headers["Version"] == ("2021-04-15" if "conversations" in path else "2021-07-28")
    assert ("Content-Type" in asked.headers) is (body is not None)
    assert "Cookie" not in asked.headers


async def test_what_is_not_there_is_none(ghl: GoHighLevel, upstream: Upstream) -> None:
    upstream.then({"statusCode": 400, "message": "Contact with id x not found"}, status=400)
    assert await ghl.get_contact("x") is None
    upstream.then({"message": "Opportunity with id x not found"}, status=404)
    assert await ghl.get_opportunity("x") is None
    upstream.then({"contact": None})
    assert await ghl.find_duplicate(email="a@heron.example") is None


@pytest.mark.parametrize(("email", "phone"), [("", ""), ("a@heron.example", "+13055550100")])
async def test_duplicate_is_looked_for_by_exactly_one_key(
    ghl: GoHighLevel, upstream: Upstream, email: str, phone: str
) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        await ghl.find_duplicate(email=email, phone=phone)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("reply", "waited"),
    [
        pytest.param({"status": 429, "headers": {"Retry-After": "7"}}, 7.5, id="429 with seconds"),
        pytest.param({"status": 429, "headers": LIMITS}, 10.5, id="429 with the interval"),
        pytest.param({"status": 429, "body": b"slow down"}, 10.5, id="429 without a word"),
        pytest.param({"status": 500}, 1.0, id="500"),
        pytest.param({"status": 502, "headers": {"Content-Type": "text/html"}}, 1.0, id="502 as HTML"),
        pytest.param({"body": b"<html></html>", "headers": {"Content-Type": "text/html"}}, 1.0, id="HTML"),
        pytest.param({"body": b'{"contact":{"id":"c1"}}', "cut": 9}, 1.0, id="closed within the body"),
        pytest.param({"body": b'{"contact":{"id'}, 1.0, id="complete answer, cut JSON"),
    ],
)
async def test_read_waits_out_passing_trouble(
    ghl: GoHighLevel, upstream: Upstream, clock: StandingClock, reply: dict[str, Any], waited: float
) -> None:
    upstream.then(**reply)
    upstream.then(CONTACT)
    contact = await ghl.get_contact("c1")
    assert contact is not None
    assert contact.id == "c1"
    assert clock.slept == [pytest.approx(waited)]
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 502, "headers": {"Content-Type": "text/html"}}, id="502 as HTML"),
        pytest.param({"status": 504}, id="504"),
        pytest.param({"cut": 0}, id="closed before the answer"),
        pytest.param({"body": b'{"contact":{"id":"c1"}}', "cut": 9}, id="closed within the answer"),
        pytest.param({"body": b'{"contact":{"id'}, id="cut JSON"),
        pytest.param({"body": b"{}"}, id="an answer that says nothing"),
        pytest.param({"body": b"<html></html>", "headers": {"Content-Type": "text/html"}}, id="HTML"),
    ],
)
async def test_write_that_may_have_arrived_is_never_sent_again(
    ghl: GoHighLevel, upstream: Upstream, clock: StandingClock, reply: dict[str, Any]
) -> None:
    upstream.then(**reply)
    with pytest.raises(NoAnswer, match=r"^POST /contacts/.*not known"):
        await ghl.create_contact({"firstName": "Otter"})
    assert len(upstream.asked) == 1
    assert clock.slept == []


async def test_lost_connection_does_not_make_two_changes_of_one(ghl: GoHighLevel, upstream: Upstream) -> None:
    """The HTTP library would send a PUT and a DELETE again by itself."""
    upstream.then(CONTACT)
    await ghl.get_contact("c1")
    calls: list[Awaitable[Any]] = [ghl.update_contact("c1", {"city": "M"}), ghl.remove_tags("c1", ["a"])]
    for call in calls:
        upstream.then(cut=0)
        with pytest.raises(NoAnswer, match="connection was closed before the answer"):
            await call
    assert [asked.method for asked in upstream.asked] == ["GET", "PUT", "DELETE"]


async def test_write_without_an_answer_in_time_may_have_arrived(connect: Connect, upstream: Upstream) -> None:
    never = anyio.Event()
    upstream.then(waits_for=never)
    ghl = await connect(patience=Patience(attempt=timedelta(milliseconds=60)))
    with pytest.raises(NoAnswer, match=r"no complete answer within 0.06 s"):
        await ghl.add_note("c1", "hi")
    never.set()
    assert len(upstream.asked) == 1


async def test_write_that_was_turned_away_by_the_limit_is_sent_again(
    ghl: GoHighLevel, upstream: Upstream, clock: StandingClock
) -> None:
    upstream.then(status=429, headers={"Retry-After": "3"})
    upstream.then(CONTACT, status=201)
    assert (await ghl.create_contact({"firstName": "Otter"})).id == "c1"
    assert clock.slept == [pytest.approx(3.5)]


async def test_write_to_nobody_is_tried_again_and_is_known_not_to_have_arrived(
    connect: Connect, clock: StandingClock, unused_tcp_port: int
) -> None:
    ghl = await connect(api_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Unreachable, match=f"cannot reach 127.0.0.1:{unused_tcp_port}"):
        await ghl.create_contact({"firstName": "Otter"})
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]
    assert ghl.caller.is_away


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(400, {"message": "The pipeline id is invalid."}, Rejected, id="400"),
        pytest.param(422, {"message": ["property a should not exist"]}, Rejected, id="422"),
        pytest.param(401, {"message": "The token is not authorized for this scope."}, WrongPlace, id="scope"),
        pytest.param(
            403, {"message": "The token does not have access to this location."}, WrongPlace, id="location"
        ),
        pytest.param(401, {"message": "Invalid JWT"}, Unauthorized, id="bad token"),
    ],
)
async def test_refusal_is_not_repeated(
    ghl: GoHighLevel, upstream: Upstream, status: int, body: dict[str, Any], error: type[Exception]
) -> None:
    upstream.then(body, status=status)
    with pytest.raises(error):
        await ghl.update_contact("c1", {})
    assert len(upstream.asked) == 1


async def test_duplicate_tells_whom_to_adopt(ghl: GoHighLevel, upstream: Upstream) -> None:
    meta = {"existingId": "o7"}
    upstream.then({"message": "duplicate", "code": "OPPORTUNITY_NO_DUPLICATE", "meta": meta}, status=400)
    with pytest.raises(Duplicate) as caught:
        await ghl.create_opportunity({"name": "n"})
    assert caught.value.existing_id == "o7"


async def test_attempts_come_to_an_end(ghl: GoHighLevel, upstream: Upstream, clock: StandingClock) -> None:
    for _ in range(5):
        upstream.then(status=503)
    with pytest.raises(Unavailable):
        await ghl.pipelines()
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]
    for _ in range(2):
        upstream.then(b"[]")
    with pytest.raises(Malformed):
        await ghl.pipelines()


async def test_wait_that_is_too_long_is_the_callers_to_put_off(
    ghl: GoHighLevel, upstream: Upstream, clock: StandingClock
) -> None:
    upstream.then(status=429, headers={"Retry-After": "1800"})
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            await ghl.create_contact({"firstName": "Otter"})
        assert caught.value.retry_after == pytest.approx(1800, abs=1)
    assert clock.slept == []
    assert len(upstream.asked) == 1, "the second call knows of the pause"


async def test_held_low_priority_call_holds_nobody_else(ghl: GoHighLevel, upstream: Upstream) -> None:
    upstream.then(CONTACT, headers={**LIMITS, "X-RateLimit-Daily-Remaining": "9000"})
    upstream.then(CONTACT)
    await ghl.get_contact("c1")
    with pytest.raises(RateLimited, match="kept for what cannot wait"):
        await ghl.get_contact("c1", low_priority=True)
    await ghl.get_contact("c1")
    assert len(upstream.asked) == 2


async def test_budget_is_what_the_headers_say(ghl: GoHighLevel, upstream: Upstream) -> None:
    upstream.then(CONTACT, headers=LIMITS)
    await ghl.get_contact("c1")
    budget = ghl.budget
    assert (budget.limit, budget.used, budget.remaining) == (200_000, 50_000, 150_000)
    assert budget.window_free == 79


async def test_trouble_is_told_when_it_lasts_and_when_it_is_over(
    ghl: GoHighLevel, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        upstream.then(status=503)
    upstream.then(CONTACT)
    with caplog.at_level(logging.INFO, logger="pcd.ghl"):
        await ghl.get_contact("c1")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert ghl.caller.tally.failures == {"Unavailable": 3}
    assert ghl.caller.tally.requests == 4


async def test_connect_yields_a_client_of_its_own(config: GhlConfig, upstream: Upstream) -> None:
    upstream.then(CONTACT)
    async with client_module.connect(config, clock=Clock()) as ghl:
        assert await ghl.get_contact("c1") is not None
        assert isinstance(ghl.caller.limiter, Limiter)
