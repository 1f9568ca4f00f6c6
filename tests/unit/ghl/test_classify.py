from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.errors import (
    Duplicate,
    Malformed,
    NoAnswer,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
    UpstreamError,
    WrongPlace,
)
from pcd.ghl.classify import LONGEST_WAIT, classify, is_missing, unknown_outcome

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
JSON = {"Content-Type": "application/json; charset=utf-8"}
HTML = {"Content-Type": "text/html"}
PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"

TWICE = {
    "statusCode": 400,
    "message": "This location does not allow duplicated contacts.",
    "meta": {"contactId": "c7", "contactName": "Heron Bay", "matchingField": "phone"},
    "traceId": "t-1",
}
TWO_DEALS = {
    "statusCode": 400,
    "message": "Can not create duplicate opportunity for the contact.",
    "code": "OPPORTUNITY_NO_DUPLICATE",
    "meta": {"existingId": "o9"},
    "error": "Bad Request",
}
UNKNOWN = {
    "message": ["property age should not exist", "customFields must be an array"],
    "error": "Unprocessable Entity",
    "statusCode": 422,
}
ROUTE = "This route is not yet supported by the IAM Service. Please update your IAM config."


def said(message: str, status: int) -> dict[str, Any]:
    return {"statusCode": status, "message": message}


def ask(status: int, body: object = b"", headers: dict[str, str] | None = None) -> UpstreamError | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(status, headers or JSON, raw, now=NOW, what="POST /contacts/")


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected", "says"),
    [
        pytest.param(401, {"message": "Invalid JWT"}, JSON, Unauthorized, "Invalid JWT", id="bad token"),
        pytest.param(
            401, said("Invalid Private Integration token", 401), JSON, Unauthorized, "Private", id="bad PIT"
        ),
        pytest.param(401, b"", {}, Unauthorized, "answered 401", id="401 without a word"),
        pytest.param(400, UNKNOWN, JSON, Rejected, "property age should not exist; customFields", id="400"),
        pytest.param(422, UNKNOWN, JSON, Rejected, "answered 422", id="422"),
        pytest.param(404, b"", {}, Rejected, "answered 404", id="404 without a body"),
        pytest.param(400, b'{"message":"cut o', JSON, Rejected, "answered 400$", id="torso"),
        pytest.param(400, b"plain text", {}, Rejected, "plain text", id="plain text"),
        pytest.param(408, b"", {}, Unavailable, "408", id="408"),
        pytest.param(500, {"message": "Oops"}, JSON, Unavailable, "Oops", id="500"),
        pytest.param(502, PAGE, HTML, Unavailable, r"502 Bad Gateway \(an HTML page\)", id="502 as HTML"),
        pytest.param(200, PAGE, HTML, Unavailable, "HTML", id="200 as HTML"),
        pytest.param(200, PAGE, JSON, Unavailable, "HTML", id="200 as HTML that lies"),
        pytest.param(403, PAGE, HTML, Unreachable, "something in between", id="a firewall's page"),
        pytest.param(302, b"", {"Location": "https://x/"}, Rejected, "ghl.api_url", id="redirect"),
        pytest.param(302, PAGE, HTML, Rejected, "ghl.api_url", id="redirect as HTML"),
        pytest.param(429, {"message": "Too Many Requests"}, JSON, RateLimited, "Too Many", id="429"),
        pytest.param(429, PAGE, HTML, RateLimited, "429", id="429 as HTML"),
    ],
)
def test_answer_becomes_the_right_error(
    status: int, body: object, headers: dict[str, str], expected: type[UpstreamError], says: str
) -> None:
    error = ask(status, body, headers)
    assert type(error) is expected
    with pytest.raises(expected, match=says):
        raise error
    assert str(error).startswith("POST /contacts/: GoHighLevel answered")


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [
        pytest.param(401, "The token is not authorized for this scope.", "scope", id="scope"),
        pytest.param(403, "The token does not have access to this location.", "location", id="location"),
        pytest.param(403, "Forbidden resource", "location", id="any 403"),
        pytest.param(401, "version header was not found.", "version", id="no version"),
        pytest.param(401, "version header is invalid", "version", id="unknown version"),
        pytest.param(401, ROUTE, "route", id="route"),
        pytest.param(404, "Cannot GET /oauth/location-token", "route", id="path of another version"),
    ],
)
def test_what_no_other_call_will_mend_says_what_to_do(status: int, message: str, cause: str) -> None:
    error = ask(status, said(message, status))
    assert isinstance(error, WrongPlace)
    assert error.cause == cause
    assert error.status == status
    assert ": " in str(error).partition(message.rstrip("."))[2], "a remedy"


@pytest.mark.parametrize(
    ("body", "existing", "field"),
    [
        pytest.param(TWICE, "c7", "phone", id="contact"),
        pytest.param({**TWICE, "meta": {}}, "", "", id="contact, they do not say which"),
        pytest.param(TWO_DEALS, "o9", "opportunity", id="opportunity"),
        pytest.param({**TWO_DEALS, "code": None}, "o9", "opportunity", id="opportunity, no code"),
        pytest.param({**TWO_DEALS, "meta": None}, "", "opportunity", id="opportunity, no id"),
    ],
)
def test_duplicate_names_what_exists(body: dict[str, Any], existing: str, field: str) -> None:
    error = ask(400, body)
    assert isinstance(error, Duplicate)
    assert (error.existing_id, error.matching_field) == (existing, field)
    assert "Heron" not in f"{error}{error.body}"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Retry-After": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": "Mon, 23 Nov 2026 10:00:42 GMT"}, 42.0, id="date"),
        pytest.param({"Retry-After": "99999"}, LONGEST_WAIT, id="too long"),
        pytest.param({"X-RateLimit-Interval-Milliseconds": "10000"}, 10.0, id="the interval"),
        pytest.param(
            {"X-RateLimit-Interval-Milliseconds": "10000", "X-RateLimit-Daily-Remaining": "0"},
            LONGEST_WAIT,
            id="the day is over",
        ),
        pytest.param({"Retry-After": "soon"}, None, id="nothing of use"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_limit_says_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    error = ask(429, b"", headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == expected


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        pytest.param(400, "Contact with id abc not found", True, id="contact"),
        pytest.param(404, "", True, id="404"),
        pytest.param(422, "Opportunity with id x not found", True, id="opportunity"),
        pytest.param(400, "The pipeline id is invalid.", False, id="another mistake"),
        pytest.param(400, "Stage not found", False, id="something else is missing"),
    ],
)
def test_missing_record_is_known_by_its_text(status: int, message: str, *, expected: bool) -> None:
    error = ask(status, said(message, status))
    assert isinstance(error, Rejected)
    assert is_missing(error) is expected


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        pytest.param(Unavailable("502", service="G"), NoAnswer, id="no answer"),
        pytest.param(Malformed("cut", service="G"), NoAnswer, id="unreadable answer"),
        pytest.param(Unreachable("down", service="G"), Unreachable, id="not sent"),
        pytest.param(RateLimited("429", service="G"), RateLimited, id="turned away"),
        pytest.param(Rejected("422", service="G"), Rejected, id="refused"),
        pytest.param(Unauthorized("401", service="G"), Unauthorized, id="not let in"),
    ],
)
def test_write_without_an_answer_may_have_been_carried_out(
    error: UpstreamError, becomes: type[UpstreamError]
) -> None:
    assert type(unknown_outcome(error)) is becomes


def test_good_answer_is_no_error() -> None:
    assert ask(201, {"contact": {"id": "c"}}) is None


@pytest.mark.parametrize("secret", ["otter@heron.example", "+1 (305) 555-0100", "3055550100"])
def test_customers_data_does_not_get_into_the_text(secret: str) -> None:
    error = ask(400, said(f"{secret} is not valid", 400))
    assert isinstance(error, Rejected)
    assert secret not in f"{error}{error.body}"
    assert "is not valid" in str(error)


@given(st.integers(100, 599), st.binary(max_size=200), st.sampled_from(["application/json", "text/html", ""]))
def test_every_answer_can_be_judged(status: int, body: bytes, kind: str) -> None:
    error = ask(status, body, {"Content-Type": kind})
    assert error is None or isinstance(error, UpstreamError)
    assert error is not None or 200 <= status < 300
