"""Tell what an HTTP answer of GoHighLevel means. Pure.

The status alone does not: a missing right, an unknown version and a bad token are all 401, and what
should be made exists already is 400 like any mistake. The texts are theirs, and so may change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

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
from pcd.ghl.decode import SERVICE, UNREADABLE
from pcd.ghl.interpret import as_text, text
from pcd.ghl.limits import limits_of
from pcd.retry import header_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pcd.errors import UpstreamError

LONGEST_WAIT = 3600.0
"""The longest time, in seconds, that we let GoHighLevel make us wait at once."""

_CHARACTERS = 300
_ERRORS = 5
_TRACE_HEADERS = ("x-trace-id", "x-request-id", "cf-ray")
_ADDRESS = re.compile(r"[^\s\"'<>:,;]+@[^\s\"'<>,;]+")
_NUMBER = re.compile(r"\+?\d[\d\s().-]{6,}\d")
_MISSING = re.compile(
    r"\b(contact|opportunity|record|note|task|message|conversation)\b.*\bnot found\b|^not found"
)
_DUPLICATE_CONTACT = re.compile(r"duplicated? contact")
_DUPLICATE_OPPORTUNITY = re.compile(r"duplicated? opportunit")

# What the texts of 401, 403 and 404 mean where the credentials as such are good.
# Source: highlevel-api-docs, issue 74, and integrators' reports; HighLevel documents none of them.
_WRONG = (
    ("scope", re.compile(r"\bscope")),
    ("location", re.compile(r"\blocation")),
    ("version", re.compile(r"version header")),
    ("route", re.compile(r"iam (service|config)|route is not|cannot (get|post|put|delete)")),
)
_REMEDIES = {
    "scope": "tick the right in the private integration's settings; the token stays the same",
    "location": "see ghl.location_id: the token belongs to another subaccount",
    "version": "the version of the API that pcd asks for is gone: a newer pcd is needed",
    "route": "tokens of this kind may not ask for this",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What an error body says. Any of it may be empty. *message* is free of addresses and numbers."""

    message: str = ""
    code: str = ""
    trace_id: str = ""
    contact_id: str = ""
    matching_field: str = ""
    existing_id: str = ""
    is_html: bool = False


def classify(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, what: str
) -> UpstreamError | None:
    """Return what went wrong, or None when the answer is good as far as status and type can tell.

    *what* names the request in the error's text; *now* is for a ``Retry-After`` that is a date.
    """
    known = {name.lower(): value for name, value in headers.items()}
    said = refusal(body, content_type=known.get("content-type", ""))
    if 200 <= status < 300 and not said.is_html:
        return None
    trace = said.trace_id or next((known[name] for name in _TRACE_HEADERS if name in known), "")
    described = f"{said.message} (an HTML page)".strip() if said.is_html else said.message
    told = f"{what}: GoHighLevel answered {status}" + (f", {described}" if described else "")
    if status == 429:
        seconds = pause_seconds(known, now=now)
        return RateLimited(told, service=SERVICE, trace_id=trace, retry_after=seconds)
    if status >= 500 or status in {408, 425}:
        return Unavailable(told, service=SERVICE, trace_id=trace)
    if said.is_html:
        return _of_page(told, status=status, trace=trace)
    judge = _refused if status in {401, 403} else _rejected
    return judge(told, said, status=status, trace=trace)


def refusal(body: bytes, *, content_type: str = "") -> Refusal:
    """Return what *body* says about an error, whatever it is: a list of messages, a text, HTML, a torso."""
    start = body[:4096].lstrip()
    if "html" in content_type.lower() or start[:1] == b"<":
        found = re.search(rb"<title[^>]*>(.*?)</title", start, re.IGNORECASE | re.DOTALL)
        return Refusal(
            message=_shorten(found.group(1).decode(errors="replace")) if found else "", is_html=True
        )
    try:
        said = msgspec.json.decode(body)
    except UNREADABLE:
        return Refusal(message="" if start[:1] in b"{[" else _shorten(start.decode(errors="replace")))
    if not isinstance(said, dict):
        return Refusal(message=_shorten(said) if isinstance(said, str) else "")
    found_meta = said.get("meta")
    meta = found_meta if isinstance(found_meta, dict) else {}
    return Refusal(
        message=_message(said),
        code=text(said, "code"),
        trace_id=text(said, "traceId")[:100],
        contact_id=text(meta, "contactId"),
        matching_field=text(meta, "matchingField"),
        existing_id=text(meta, "existingId"),
    )


def is_missing(error: Rejected) -> bool:
    """Tell whether *error* says that what was asked for does not exist.

    Source: integrators' reports: an unknown id is answered with 400 "Contact with id ... not found".
    """
    if isinstance(error, Duplicate | WrongPlace):
        return False
    return error.status == 404 or bool(_MISSING.search(error.body.lower()))


def unknown_outcome(error: UpstreamError) -> UpstreamError:
    """Return what *error* means for a write: NoAnswer where it may have been carried out all the same."""
    if isinstance(error, Unreachable | NoAnswer) or not isinstance(error, Unavailable | Malformed):
        return error
    return NoAnswer(f"{error}; whether it was carried out is not known", service=SERVICE)


def pause_seconds(known: Mapping[str, str], *, now: datetime) -> float | None:
    """Return how long a 429 makes us wait: as it says, else the length of the interval, else None.

    *known* are headers by lower-case names. When the day's calls are used up it is an hour.
    """
    limits = limits_of(known)
    seconds = header_seconds(known.get("retry-after", ""), now=now)
    if seconds is None and limits.daily_remaining == 0:
        seconds = LONGEST_WAIT
    if seconds is None:
        seconds = limits.interval
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _of_page(told: str, *, status: int, trace: str) -> UpstreamError:
    """Return what a page of HTML means: a gateway's, which lets nothing pass when it refuses."""
    if status >= 400:
        return Unreachable(f"{told}: something in between refuses us", service=SERVICE, trace_id=trace)
    if status >= 300:
        return Rejected(f"{told}: see ghl.api_url", service=SERVICE, trace_id=trace, status=status)
    return Unavailable(told, service=SERVICE, trace_id=trace)


def _refused(told: str, said: Refusal, *, status: int, trace: str) -> UpstreamError:
    lowered = said.message.lower()
    for cause, pattern in _WRONG:
        if pattern.search(lowered):
            told = f"{told}: {_REMEDIES[cause]}"
            return WrongPlace(told, service=SERVICE, cause=cause, trace_id=trace, status=status)
    if status == 401:
        return Unauthorized(told, service=SERVICE, trace_id=trace)
    told = f"{told}: {_REMEDIES['location']}"
    return WrongPlace(told, service=SERVICE, cause="location", trace_id=trace, status=status)


def _rejected(told: str, said: Refusal, *, status: int, trace: str) -> Rejected:
    lowered = said.message.lower()
    if said.existing_id or said.code == "OPPORTUNITY_NO_DUPLICATE" or _DUPLICATE_OPPORTUNITY.search(lowered):
        return Duplicate(
            told,
            service=SERVICE,
            existing_id=said.existing_id,
            matching_field="opportunity",
            trace_id=trace,
            status=status,
        )
    if _DUPLICATE_CONTACT.search(lowered):
        return Duplicate(
            told,
            service=SERVICE,
            existing_id=said.contact_id,
            matching_field=said.matching_field,
            trace_id=trace,
            status=status,
        )
    if status == 404 and _WRONG[3][1].search(lowered):
        told = f"{told}: {_REMEDIES['route']}"
        return WrongPlace(told, service=SERVICE, cause="route", trace_id=trace, status=status)
    if 300 <= status < 400:
        told = f"{told}: see ghl.api_url"
    return Rejected(told, service=SERVICE, trace_id=trace, status=status, body=said.message)


def _message(said: Mapping[str, Any]) -> str:
    """Return the message in one line: it is a text in a 400, and a list of them in a 422."""
    found = said.get("message")
    lines = found if isinstance(found, list) else [found]
    told = "; ".join(filter(None, map(as_text, lines[:_ERRORS])))
    return _shorten(told or text(said, "error_description", "error", "msg"))


def _shorten(told: str) -> str:
    line = _NUMBER.sub("…", _ADDRESS.sub("…", " ".join(told.split())))
    return line if len(line) <= _CHARACTERS else f"{line[: _CHARACTERS - 1]}…"
