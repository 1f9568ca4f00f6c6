"""Tell what an HTTP answer of ServiceTitan means. Pure.

Nothing about the body of an error is certain: the API answers with RFC 7807 problems, the gateway in
front of it (Azure's) with shapes of its own, a load balancer with an HTML page, and any of them may
break off in the middle.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pcd.errors import Forbidden, RateLimited, Rejected, Unauthorized, Unavailable
from pcd.retry import header_seconds
from pcd.servicetitan.decode import SERVICE, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from pcd.errors import UpstreamError

LONGEST_WAIT = 3600.0
"""The longest time, in seconds, that we let ServiceTitan make us wait at once."""

_READ_BYTES = 65_536
_TITLE_CHARACTERS = 300
_TITLE_KEYS = ("title", "error_description", "message", "error")
_TRACE_HEADERS = ("x-trace-id", "x-request-id", "request-id", "x-ms-request-id", "traceparent")
_STRING = r'"\s*:\s*"((?:[^"\\]|\\.)*)'
_CUT_TITLE = re.compile(f'"(?:{"|".join(_TITLE_KEYS)}){_STRING}')
_CUT_TRACE = re.compile(f'"traceId{_STRING}')
_HTML_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TRY_AGAIN = re.compile(r"try again in (\d+(?:\.\d+)?)\s*(second|minute)", re.IGNORECASE)
_MAINTENANCE = re.compile(r"maintenance|try again later", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error body says. Any of it may be empty. *errors* are ``field: text``."""

    title: str = ""
    trace_id: str = ""
    errors: tuple[str, ...] = ()
    is_html: bool = False

    def __str__(self) -> str:
        """Return it in one line for people, "" when the body says nothing."""
        title = f"{self.title} (an HTML page)".strip() if self.is_html else self.title.rstrip(".")
        return "; ".join(filter(None, (title, *self.errors)))


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    what: str = "request",
    scope: str = "",
) -> UpstreamError | None:
    """Return what went wrong, or None when the answer is good as far as status and type can tell.

    *what* names the request in the error's text, *scope* the right that it needs; *now* is for a
    ``Retry-After`` that is a date. Header names are compared without case.
    """
    known = {name.lower(): value for name, value in headers.items()}
    said = problem(body, status=status, content_type=known.get("content-type", ""))
    if 200 <= status < 300 and not said.is_html:
        return None
    trace = said.trace_id or trace_id(known)
    text = f"{what}: ServiceTitan answered {status}" + (f", {said}" if str(said) else "")
    match status:
        case 401:
            return Unauthorized(text, service=SERVICE, trace_id=trace)
        case 403:
            return Forbidden(_forbidden(text, scope), service=SERVICE, trace_id=trace, scope=scope)
        case 429:
            seconds = retry_after(known.get("retry-after", ""), said.title, now=now)
            return RateLimited(text, service=SERVICE, trace_id=trace, retry_after=seconds)
    if _will_pass(status, said):
        return Unavailable(text, service=SERVICE, trace_id=trace)
    if 300 <= status < 400:
        text += f" and points to {known.get('location', 'nowhere')}: see servicetitan.api_url"
    excerpt = body[:2000].decode(errors="replace")
    return Rejected(text, service=SERVICE, trace_id=trace, status=status, body=excerpt)


def problem(body: bytes, *, status: int = 0, content_type: str = "") -> Problem:
    """Return what *body* says about an error, whatever it is: a problem, an OAuth error, HTML, a torso.

    *status* decides how hard we look: the body of a success is not searched for a title.
    """
    start = body[:_READ_BYTES].lstrip()
    if "html" in content_type.lower() or start[:1] == b"<":
        return Problem(_html_title(start.decode(errors="replace")), is_html=True)
    if 200 <= status < 300:
        return Problem()
    try:
        said = msgspec.json.decode(body)
    except UNREADABLE:
        return _torso(start.decode(errors="replace"))
    if not isinstance(said, dict):
        return Problem(_shorten(said) if isinstance(said, str) else "")
    title = next((said[key] for key in _TITLE_KEYS if isinstance(said.get(key), str) and said[key]), "")
    trace = said.get("traceId")
    return Problem(
        _shorten(title),
        _shorten(trace) if isinstance(trace, str) else "",
        tuple(_shorten(error) for error in _errors(said.get("errors")))[:5],
    )


def trace_id(headers: Mapping[str, str]) -> str:
    """Return upstream's id of the request, "" where the headers hold none.

    Which header ServiceTitan uses is not documented; these are the gateway's usual ones.
    """
    known = {name.lower(): value for name, value in headers.items()}
    return next((known[name] for name in _TRACE_HEADERS if name in known), "")


def retry_after(header: str, title: str, *, now: datetime) -> float | None:
    """Return for how many seconds we were told to wait, 0 to an hour; None when nothing was said.

    The header holds seconds or an HTTP date. Without it the title does: "Rate limit is exceeded. Try
    again in 60 seconds." (servicepytan, ``utils.py``).
    """
    seconds = header_seconds(header, now=now)
    if seconds is None and (found := _TRY_AGAIN.search(title)):
        seconds = float(found.group(1)) * (60 if found.group(2).lower() == "minute" else 1)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _will_pass(status: int, said: Problem) -> bool:
    """Tell whether the same request may succeed later.

    409 with a title about maintenance was seen on reporting (tap-service-titan, pull request 332).
    """
    busy = status in {408, 425} or status >= 500
    return said.is_html or busy or (status == 409 and bool(_MAINTENANCE.search(said.title)))


def _forbidden(text: str, scope: str) -> str:
    right = f"the scope {scope}" if scope else "a scope"
    return (
        f"{text}: the app lacks {right}, or its new version waits for the tenant's administrator"
        " to accept it (also see servicetitan.tenant_id)"
    )


def _errors(errors: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if not isinstance(errors, dict):
        return
    for name, texts in errors.items():
        for text in texts if isinstance(texts, list) else [texts]:
            yield f"{name}: {text}" if name else str(text)


def _torso(text: str) -> Problem:
    title, trace = _CUT_TITLE.search(text), _CUT_TRACE.search(text)
    if title is None and not text.startswith(("{", "[")):
        return Problem(_shorten(text))
    return Problem(_shorten(title.group(1) if title else ""), _shorten(trace.group(1) if trace else ""))


def _html_title(text: str) -> str:
    found = _HTML_TITLE.search(text)
    return _shorten(html.unescape(re.sub(r"<[^>]*>", " ", found.group(2)))) if found else ""


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1]}…"
