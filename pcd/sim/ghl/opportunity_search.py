"""The two searches for opportunities: GET speaks snake_case here, POST wants everything.

Source: HighLevel API documents of 2026-06-19, ``apps/opportunities.json``; integrators' reports: the
cursor of POST is each item's ``sort``.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from pcd.sim.ghl import refusals, wire
from pcd.sim.ghl.endpoint import Ask, Reply
from pcd.sim.ghl.schema import NEEDED, Kind, Property, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.sim.ghl.records import Opportunity
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store, View

_MOST = 100
_DEEPEST = 10_000
_STATUSES = ("open", "won", "lost", "abandoned", "all")
_ORDERS = ("added_asc", "added_desc")
_DAY_FORMAT = "%m-%d-%Y"
_EXACT = {
    "pipeline_id": "pipeline_id",
    "pipeline_stage_id": "stage_id",
    "contact_id": "contact_id",
    "assigned_to": "assigned_to",
    "id": "id",
}
GET_PARAMETERS: Final = frozenset(
    {"location_id", "q", "status", "campaignId", "order", "endDate", "startAfter", "startAfterId"}
    | {"date", "country", "page", "limit", "getTasks", "getNotes", "getCalendarEvents"}
    | set(_EXACT)
)
_FLAG = Property(kind=Kind.FLAG, required=True)
POST_BODY: Final[Schema] = {
    "locationId": NEEDED,
    "query": Property(kind=Kind.ANY),
    "limit": Property(kind=Kind.NUMBER, required=True),
    "page": Property(kind=Kind.NUMBER, required=True),
    "searchAfter": Property(kind=Kind.OBJECTS, required=True),
    "additionalDetails": Property(
        kind=Kind.OBJECT,
        required=True,
        parts=dict.fromkeys(("notes", "tasks", "calendarEvents", "unReadConversations"), _FLAG),
    ),
}


class OpportunitySearch:
    """Finds opportunities as the index of *store* shows them."""

    def __init__(self, store: Store, settings: GhlSimSettings) -> None:
        """Search in *store*."""
        self._store = store
        self._settings = settings
        self._sorted: tuple[int, list[Opportunity]] = (0, [])

    def found(self, ask: Ask) -> Reply:
        """Answer ``GET /opportunities/search``: pages, or a cursor of the last one's time and id."""
        query = ask.query
        limit = self._number(query, "limit", default=20, most=_MOST)
        page = self._number(query, "page", default=1, most=_DEEPEST // limit)
        descending = self._choice(query, "order", _ORDERS, default="added_desc") == "added_desc"
        rows = self._selected(query, status=self._choice(query, "status", _STATUSES, default="all"))
        rows = rows[::-1] if descending else rows
        total = len(rows)
        start = (page - 1) * limit
        if "startAfterId" in query:
            after = (self._number(query, "startAfter", default=0, most=None), query["startAfterId"])
            rows = _behind(rows, after, descending=descending)
            start = 0
        shown = rows[start : start + limit]
        is_more = start + limit < len(rows)
        meta = self._meta(query, total=total, page=page, last=shown[-1] if shown and is_more else None)
        return Reply(
            body={"opportunities": [self._wire(row) for row in shown], "meta": meta, "aggregations": {}}
        )

    def posted(self, ask: Ask) -> Reply:
        """Answer ``POST /opportunities/search``; the next cursor is ``sort`` of the last one."""
        body = ask.body
        limit = int(body["limit"])
        if not 1 <= limit <= _MOST:
            raise self._refused(f"limit must not be greater than {_MOST}")
        rows = sorted(
            self._selected({"q": str(body.get("query") or "")}, status="all"), key=_place, reverse=True
        )
        total, after = len(rows), body["searchAfter"]
        if after:
            rows = _behind(rows, (int(after[0]), str(after[-1])), descending=True)
        start = 0 if after else (int(body["page"]) - 1) * limit
        shown = [self._wire(row) | {"sort": list(_place(row))} for row in rows[start : start + limit]]
        return Reply(body={"opportunities": shown, "total": total, "aggregations": {}})

    def _selected(self, query: Mapping[str, str], *, status: str) -> list[Opportunity]:
        """Return the opportunities that fit, in the order of their creation."""
        shelf = self._store.opportunities
        view = shelf.index if self._settings.opportunity_search_lags else shelf.current
        if "contact_id" in query:
            rows = sorted(view.find("contact", query["contact_id"]), key=_place)
        else:
            rows = self._ordered(view)
        for name, attribute in _EXACT.items():
            if name in query:
                rows = [row for row in rows if getattr(row, attribute) == query[name]]
        if status != "all":
            rows = [row for row in rows if row.status == status]
        if query.get("q"):
            rows = [row for row in rows if query["q"].lower() in row.name.lower()]
        since, until = self._day(query, "date"), self._day(query, "endDate")
        if since is not None:
            rows = [row for row in rows if row.added_at >= since]
        if until is not None:
            rows = [row for row in rows if row.added_at < until + timedelta(days=1)]
        return rows

    def _ordered(self, view: View[Opportunity]) -> list[Opportunity]:
        if self._sorted[0] != view.version:
            self._sorted = (view.version, sorted(view.records.values(), key=_place))
        return self._sorted[1]

    def _meta(
        self, query: Mapping[str, str], *, total: int, page: int, last: Opportunity | None
    ) -> dict[str, Any]:
        meta: dict[str, Any] = {"total": total, "currentPage": page, "nextPage": None, "prevPage": None}
        if page > 1:
            meta["prevPage"] = page - 1
        if last is not None:
            at, last_id = _place(last)
            cursor = {"startAfter": str(at), "startAfterId": last_id}
            url = f"/opportunities/search?{urlencode({**query, **cursor})}"
            meta |= {"nextPage": page + 1, "startAfter": at, "startAfterId": last_id, "nextPageUrl": url}
        return {name: value for name, value in meta.items() if value is not None}

    def _wire(self, row: Opportunity) -> dict[str, Any]:
        return wire.opportunity(
            row,
            owner=self._store.contacts.get(row.contact_id),
            location_id=self._settings.location_id,
            form=self._settings.field_form,
        )

    def _number(self, query: Mapping[str, str], name: str, *, default: int, most: int | None) -> int:
        text = query.get(name, str(default))
        if not text.isdecimal() or (most is not None and not 1 <= int(text) <= most):
            raise self._refused(f"{name} must be a number not greater than {most}")
        return int(text)

    def _choice(self, query: Mapping[str, str], name: str, known: tuple[str, ...], *, default: str) -> str:
        found = query.get(name, default)
        if found not in known:
            raise self._refused(f"{name} must be one of the following values: {', '.join(known)}")
        return found

    def _day(self, query: Mapping[str, str], name: str) -> datetime | None:
        if name not in query:
            return None
        try:
            return datetime.strptime(query[name], _DAY_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise self._refused(f"{name} must be written mm-dd-yyyy") from None

    def _refused(self, message: str) -> Exception:
        return refusals.unprocessable([message], trace=self._store.ids.trace())


def _behind(rows: list[Opportunity], after: tuple[int, str], *, descending: bool) -> list[Opportunity]:
    """Return the *rows*, which are in their order, that come behind the cursor *after*."""

    def is_behind(row: Opportunity) -> bool:
        return _place(row) < after if descending else _place(row) > after

    return rows[bisect_left(rows, True, key=is_behind) :]  # noqa: FBT003 - from here on it is true


def _place(row: Opportunity) -> tuple[int, str]:
    """Return where *row* stands in the order of creation."""
    return wire.milliseconds(row.added_at), row.id
