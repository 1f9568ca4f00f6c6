"""Answers of list endpoints: ``{page, pageSize, hasMore, totalCount, data}``.

Source: ServiceTitan's OpenAPI documents of 2026-05-21; a published capture (``hbenda-pph/etl_servicetitan``
of 2026-06-10): the order without ``sort``; a planning note of another client, 2026-08-25: unknown
parameters are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import orjson

from pcd.sim import dialect
from pcd.sim.problem import api_error
from pcd.sim.settings import Overflow, SimSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.sim.store import Row, Shelf
    from pcd.tables.spec import ListEndpoint

_MOST_IDS = 50
_REFERENCES = {  # query parameter -> field of the record
    "customerId": "customerId",
    "customerIds": "customerId",
    "locationId": "locationId",
    "locationIds": "locationId",
    "jobId": "jobId",
    "appointmentIds": "appointmentId",
    "projectId": "projectId",
    "jobTypeId": "jobTypeId",
    "businessUnitId": "businessUnitId",
}

Keep: TypeAlias = Callable[["Row"], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The rows of a list answer and its envelope."""

    page: int
    page_size: int
    has_more: bool
    total_count: int | None
    rows: list[Row]


def list_page(
    shelf: Shelf, *, endpoint: ListEndpoint, params: Mapping[str, str], settings: SimSettings
) -> Page:
    """Return the page of *shelf* that *params* ask for.

    The highest id comes first unless ``sort`` says otherwise. Each call looks at the records as they
    are now, so that pages shift when records come or go between calls. Parameters that the endpoint
    does not know are ignored. Raises `Problem` (400) for values that it cannot use.
    """
    page, size = _window(params, settings=settings)
    keeps = _filters(endpoint, params=params)
    rows = _sorted(_candidates(shelf, endpoint=endpoint, params=params), sort=params.get("sort", ""))
    kept = [row for row in rows if all(keep(row) for keep in keeps)]
    start = (page - 1) * size
    return Page(
        page=page,
        page_size=size,
        has_more=start + size < len(kept),
        total_count=len(kept) if params.get("includeTotal", "").lower() == "true" else None,
        rows=kept[start : start + size],
    )


def list_body(page: Page, *, echo: int, records: Iterable[bytes]) -> bytes:
    """Return the JSON text of *page*, which calls itself *echo*, with *records* as its data."""
    head = {"page": echo, "pageSize": page.page_size, "hasMore": page.has_more}
    envelope = orjson.dumps(head | {"totalCount": page.total_count})
    return envelope[:-1] + b',"data":[' + b",".join(records) + b"]}"


def list_record(body: bytes, *, resource: str, endpoint: ListEndpoint) -> bytes:
    """Return the list's form of an exported record.

    Lists without a way to ask for inactive records do not have the field ``active`` either; calls
    have another schema in each of the two.
    """
    if resource == "calls":
        return dialect.encode(_wrapped_call(dialect.decode(body)))
    if not endpoint.inactive:
        for tail in (b',"active":true}', b',"active":false}'):
            if body.endswith(tail):
                return body[: -len(tail)] + b"}"
    return body


def _window(params: Mapping[str, str], *, settings: SimSettings) -> tuple[int, int]:
    page = _number(params, "page", default=1)
    size = _number(params, "pageSize", default=settings.page_size)
    if page < 1:
        raise api_error(400, page="The value must be at least 1.")
    if size < 1 or (size > settings.max_page_size and settings.overflow is Overflow.REJECT):
        raise api_error(400, pageSize=f"The value must be between 1 and {settings.max_page_size}.")
    return page, min(size, settings.max_page_size)


def _number(params: Mapping[str, str], name: str, *, default: int) -> int:
    text = params.get(name, "")
    if not text:
        return default
    if not text.removeprefix("-").isdecimal():
        raise api_error(400, **{name: f"The value '{text}' is not valid."})
    return int(text)


def _instant(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name, "")
    if not text:
        return None
    try:
        return dialect.parse_ticks(text)
    except ValueError:
        raise api_error(400, **{name: f"The value '{text}' is not valid."}) from None


def _candidates(shelf: Shelf, *, endpoint: ListEndpoint, params: Mapping[str, str]) -> Iterable[Row]:
    text = params.get("ids", "")
    if not endpoint.ids or not text:
        return shelf.rows()
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > _MOST_IDS:
        raise api_error(400, ids=f"Maximum {_MOST_IDS} ids are allowed.")
    if not all(part.isdecimal() for part in parts):
        raise api_error(400, ids=f"The value '{text}' is not valid.")
    ids = sorted({int(part) for part in parts}, reverse=True)
    return [shelf.row(record_id) for record_id in ids if record_id in shelf]


def _filters(endpoint: ListEndpoint, *, params: Mapping[str, str]) -> list[Keep]:
    keeps = [_activity(endpoint, params=params)]
    if endpoint.needs_modified and not {"modifiedOnOrAfter", "modifiedBefore"} & {
        name for name, value in params.items() if value
    }:
        text = "Either modifiedBefore or modifiedOnOrAfter parameter must be specified."
        raise api_error(400, modifiedOnOrAfter=text)
    keeps += _bounds(params, name="created", read=_created)
    if endpoint.modified:
        keeps += _bounds(params, name="modified", read=_modified)
    keeps += [_reference(params[name], field) for name, field in _REFERENCES.items() if params.get(name)]
    return keeps


def _bounds(params: Mapping[str, str], *, name: str, read: Callable[[Row], int]) -> list[Keep]:
    keeps: list[Keep] = []
    since, until = _instant(params, f"{name}OnOrAfter"), _instant(params, f"{name}Before")
    if since is not None:
        keeps.append(lambda row: read(row) >= since)
    if until is not None:
        keeps.append(lambda row: read(row) < until)
    return keeps


def _activity(endpoint: ListEndpoint, *, params: Mapping[str, str]) -> Keep:
    """Read the endpoint's own spelling of "include inactive"; without one, they are never listed."""
    for name in endpoint.inactive:
        value = params.get(name, "").lower()
        match name, value:
            case ("active", "any") | ("activeState", "all") | ("includeInactive", "true"):
                return lambda _: True
            case "activeOnly", "false":
                return lambda _: True
            case ("active", "false") | ("activeState", "inactiveonly"):
                return lambda row: not row.active
            case "active", text if text not in {"", "true"}:
                raise api_error(400, active=f"The value '{text}' is not valid.")
    return lambda row: row.active


def _reference(text: str, name: str) -> Keep:
    wanted = {int(part) for part in text.split(",") if part.strip().isdecimal()}

    def keep(row: Row) -> bool:
        record = orjson.loads(row.body)
        return name not in record or record[name] in wanted

    return keep


def _sorted(rows: Iterable[Row], *, sort: str) -> Iterable[Row]:
    match sort.strip().removeprefix("+").removeprefix("-").lower():
        case "":
            return rows
        case "id":
            key = _by_id
        case "modifiedon":
            key = _by_modified
        case "createdon":
            key = _by_created
        case _:
            raise api_error(400, sort=f"The value '{sort}' is not valid.")
    return sorted(rows, key=key, reverse=sort.strip().startswith("-"))


def _created(row: Row) -> int:
    return row.created


def _modified(row: Row) -> int:
    return row.modified


def _by_id(row: Row) -> tuple[int, int]:
    return row.id, 0


def _by_modified(row: Row) -> tuple[int, int]:
    return row.modified, row.id


def _by_created(row: Row) -> tuple[int, int]:
    return row.created, row.id


def _wrapped_call(record: dialect.Record) -> dialect.Record:
    """Turn a call of the export (telecom v2) into one of the list (telecom v3)."""
    job = record.get("job") or {}
    reason = record.get("reason")
    call_type = record.get("type")
    return {
        "id": record["id"],
        "jobNumber": job.get("number"),
        "projectId": 0,
        "businessUnit": None,
        "type": None,
        "leadCall": {
            "id": record["id"],
            "receivedOn": record["createdOn"],
            "duration": record["duration"],
            "from": record["from"],
            "to": record["to"],
            "direction": record["direction"],
            "callType": call_type,
            "reason": reason and {**reason, "lead": True, "active": True},
            "recordingUrl": record.get("recordingUrl"),
            "voiceMailUrl": record.get("voiceMailPath"),
            "createdBy": record.get("createdBy"),
            "customer": record.get("customer"),
            "campaign": record.get("campaign"),
            "modifiedOn": record["modifiedOn"],
            "createdOn": record["createdOn"],
            "agent": record.get("agent"),
            "active": record["active"],
        },
    }
