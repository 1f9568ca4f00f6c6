from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.errors import Forbidden, RateLimited, Rejected, Unauthorized, Unavailable, UpstreamError
from pcd.servicetitan.classify import LONGEST_WAIT, classify, problem, retry_after

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
JSON = {"Content-Type": "application/json; charset=utf-8"}
HTML = {"content-type": "text/html"}


def error_body(title: str, status: int = 400, **errors: list[str]) -> bytes:
    return json.dumps(
        {"type": "t", "title": title, "status": status, "traceId": "00-ab-01", "errors": errors, "data": {}}
    ).encode()


LIMIT = error_body("Rate limit is exceeded. Try again in 60 seconds.", 429)
GATEWAY = b'{"statusCode":429,"message":"Rate limit is exceeded. Try again in 7 seconds."}'
SUSPENDED = error_body("The service is suspended for maintenance. Please try again later.", 409)
PAGE = b"<!DOCTYPE html><html><head><title>Service &amp; more\n down</title></head></html>"


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected", "says"),
    [
        pytest.param(400, JSON, error_body("Bad token", a=["x"]), Rejected, "Bad token; a: x", id="400"),
        pytest.param(404, JSON, b"", Rejected, "answered 404", id="404 without a body"),
        pytest.param(401, {}, b"", Unauthorized, "401", id="401"),
        pytest.param(401, HTML, PAGE, Unauthorized, "401", id="401 as HTML"),
        pytest.param(403, JSON, error_body("no"), Forbidden, "tn.crm.customers:r", id="403"),
        pytest.param(408, {}, b"", Unavailable, "408", id="408"),
        pytest.param(409, JSON, SUSPENDED, Unavailable, "maintenance", id="maintenance"),
        pytest.param(409, JSON, error_body("Conflict"), Rejected, "Conflict", id="another 409"),
        pytest.param(429, JSON, LIMIT, RateLimited, "60 seconds", id="429"),
        pytest.param(429, HTML, PAGE, RateLimited, "429", id="429 as HTML"),
        pytest.param(500, JSON, error_body("Oops"), Unavailable, "Oops", id="500"),
        pytest.param(503, HTML, PAGE, Unavailable, r"Service & more down \(an HTML page\)", id="503 as HTML"),
        pytest.param(200, HTML, PAGE, Unavailable, "HTML", id="200 as HTML"),
        pytest.param(200, JSON, PAGE, Unavailable, "HTML", id="200 as HTML that lies"),
        pytest.param(400, HTML, PAGE, Unavailable, "HTML", id="400 as HTML"),
        pytest.param(302, {"location": "https://x/"}, b"", Rejected, "https://x/", id="redirect"),
    ],
)
def test_answer_becomes_the_right_error(
    status: int, headers: dict[str, str], body: bytes, expected: type[UpstreamError], says: str
) -> None:
    error = classify(status, headers, body, now=NOW, what="crm/customers", scope="tn.crm.customers:r")
    assert type(error) is expected
    with pytest.raises(expected, match=says):
        raise error
    assert str(error).startswith("crm/customers: ServiceTitan answered")


@pytest.mark.parametrize("status", [200, 204])
def test_good_answer_is_no_error(status: int) -> None:
    assert classify(status, JSON, b'{"title":"a record may have one"}', now=NOW) is None


def test_trace_id_comes_from_the_body_or_else_from_the_headers() -> None:
    with_body = classify(500, {"X-Request-Id": "h"}, error_body("x"), now=NOW)
    without = classify(500, {"X-Request-Id": "h"}, b"", now=NOW)
    assert with_body is not None
    assert without is not None
    assert (with_body.trace_id, without.trace_id) == ("00-ab-01", "h")


def test_refusal_keeps_the_start_of_the_body() -> None:
    error = classify(400, JSON, error_body("t" * 900), now=NOW)
    assert isinstance(error, Rejected)
    assert (error.status, len(error.body)) == (400, 500)


@pytest.mark.parametrize(
    ("header", "title", "expected"),
    [
        pytest.param("30", "", 30.0, id="seconds"),
        pytest.param(" 2.5 ", "", 2.5, id="fraction"),
        pytest.param("0", "", 0.0, id="zero"),
        pytest.param("Mon, 23 Nov 2026 10:01:30 GMT", "", 90.0, id="date"),
        pytest.param("Mon, 23 Nov 2026 09:00:00 GMT", "", 0.0, id="date in the past"),
        pytest.param("Mon, 23 Nov 2026 10:01:30 -0000", "", 90.0, id="date without a zone"),
        pytest.param("", "Rate limit is exceeded. Try again in 60 seconds.", 60.0, id="title"),
        pytest.param("", "try again in 2 minutes", 120.0, id="minutes"),
        pytest.param("5", "Try again in 60 seconds.", 5.0, id="header before title"),
        pytest.param("soon", "Try again in 60 seconds.", 60.0, id="header that says nothing"),
        pytest.param("99999999", "", LONGEST_WAIT, id="too long"),
        pytest.param("-5", "", None, id="negative"),
        pytest.param("", "Slow down", None, id="nothing said"),
    ],
)
def test_wait_is_what_we_were_told(header: str, title: str, expected: float | None) -> None:
    assert retry_after(header, title, now=NOW) == expected


@given(st.text(max_size=60), st.text(max_size=60))
def test_wait_is_always_within_its_bounds(header: str, title: str) -> None:
    seconds = retry_after(header, title, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        pytest.param(
            LIMIT, "application/problem+json", "Rate limit is exceeded. Try again in 60 seconds.", id="7807"
        ),
        pytest.param(GATEWAY, "", "Rate limit is exceeded. Try again in 7 seconds.", id="gateway"),
        pytest.param(b'{"error":"invalid_client"}', "", "invalid_client", id="OAuth"),
        pytest.param(LIMIT[:63], "", "Rate limit is exceeded. Try again in 60", id="cut in the title"),
        pytest.param(b"upstream connect error", "text/plain", "upstream connect error", id="plain text"),
        pytest.param(b"<h1>503 <b>down</b></h1>", "", "503 down", id="HTML without a title"),
        pytest.param(b"<html>", "text/html", "", id="HTML that says nothing"),
        pytest.param(b'{"title":null,"errors":[]}', "", "", id="nulls"),
        pytest.param(b"", "", "", id="empty"),
        pytest.param(b"[1]", "", "", id="array"),
        pytest.param(b"\xff\xfe\x00", "", "\ufffd\ufffd\x00", id="no text at all"),
    ],
)
def test_title_is_found_in_any_shape(body: bytes, content_type: str, title: str) -> None:
    assert problem(body, status=500, content_type=content_type).title == title


def test_torso_of_a_problem_still_gives_its_trace() -> None:
    assert problem(LIMIT[:-12], status=500).trace_id == "00-ab-01"


def test_field_errors_are_told_in_any_shape() -> None:
    body = json.dumps({"title": "Bad", "errors": {"page": ["low", "odd"], "": "whole"}}).encode()
    assert str(problem(body, status=400)) == "Bad; page: low; page: odd; whole"


@given(st.binary(max_size=200), st.integers(100, 599), st.sampled_from(["", "text/html", "application/json"]))
def test_no_body_is_too_odd(body: bytes, status: int, content_type: str) -> None:
    said = problem(body, status=status, content_type=content_type)
    assert len(said.title) <= 300
    classify(status, {"content-type": content_type}, body, now=NOW)
