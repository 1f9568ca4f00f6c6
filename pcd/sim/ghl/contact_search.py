"""``POST /contacts/search`` and the old list: what the index knows of contacts, seconds late.

Source: "Search Contacts", help.hoopai.com (a mirror of HighLevel's page), read 2026-11-23, and
highlevel-api-docs, issues 31, 42, 279 and 289. The lag: integrators' reports.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from pcd.sim.ghl import refusals, wire
from pcd.sim.ghl.endpoint import Ask, Reply
from pcd.sim.ghl.schema import NEEDED, NUMBER, Kind, Property, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pcd.sim.ghl.records import Contact
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_MOST = 500
_MOST_LISTED = 100
_DEEPEST = 10_000
_LONGEST_QUERY = 75
_DATES = frozenset({"dateAdded", "dateUpdated"})
SEARCH: Final[Schema] = {
    "locationId": NEEDED,
    "pageLimit": Property(kind=Kind.NUMBER, required=True),
    "page": NUMBER,
    "searchAfter": Property(kind=Kind.OBJECTS),
    "filters": Property(kind=Kind.OBJECTS),
    "sort": Property(
        kind=Kind.OBJECTS,
        parts={
            "field": NEEDED,
            "direction": Property(required=True, choices=("asc", "desc")),
        },
    ),
    "query": Property(),
}
READERS: Final[dict[str, Callable[[Contact], Any]]] = {
    "id": lambda one: one.id,
    "email": lambda one: one.email.lower(),
    "phone": lambda one: one.phone,
    "firstNameLowerCase": lambda one: one.first_name.lower(),
    "lastNameLowerCase": lambda one: one.last_name.lower(),
    "tags": lambda one: one.tags,
    "source": lambda one: one.source,
    "assignedTo": lambda one: one.assigned_to,
    "dnd": lambda one: one.dnd,
    "companyName": lambda one: one.company_name,
    "postalCode": lambda one: one.postal_code,
    "dateAdded": lambda one: wire.milliseconds(one.added_at),
    "dateUpdated": lambda one: wire.milliseconds(one.updated_at),
}
_SORTABLE = ("email", "dnd", "source", "firstNameLowerCase", "lastNameLowerCase", "dateAdded", "dateUpdated")
_DEFAULT_SORT = ({"field": "dateAdded", "direction": "desc"},)


class ContactSearch:
    """Finds contacts as the index of *store* shows them."""

    def __init__(self, store: Store, settings: GhlSimSettings) -> None:
        """Search in *store*."""
        self._store = store
        self._settings = settings
        self._sorted: tuple[object, list[Contact]] = (None, [])

    def found(self, ask: Ask) -> Reply:
        """Answer ``POST /contacts/search``; the cursor of the next page stands on the last contact."""
        body = ask.body
        limit, page = int(body["pageLimit"]), int(body.get("page", 1))
        after = body.get("searchAfter") or []
        sort: Sequence[dict[str, str]] = body.get("sort") or _DEFAULT_SORT
        self._check(limit=limit, page=page, after=after, sort=sort, body=body)
        rows = self._ordered(sort)
        if body.get("filters") or body.get("query"):
            wanted = self._matching(body)
            rows = [row for row in rows if wanted(row)]
        total = len(rows)
        if after:
            rows = _behind(rows, after, sort)
        start = 0 if after else (page - 1) * limit
        contacts = [
            wire.contact(row, location_id=self._settings.location_id) | {"searchAfter": _cursor(row, sort)}
            for row in rows[start : start + limit]
        ]
        return Reply(body={"contacts": contacts, "total": total, "traceId": self._store.ids.trace()})

    def listed(self, ask: Ask) -> Reply:
        """Answer the deprecated ``GET /contacts/``."""
        limit = int(ask.query.get("limit", "20"))
        if not 1 <= limit <= _MOST_LISTED:
            raise refusals.unprocessable(
                [f"limit must not be greater than {_MOST_LISTED}"], trace=self._store.ids.trace()
            )
        rows = self._ordered(_DEFAULT_SORT)
        words = ask.query.get("query", "")
        rows = [row for row in rows if _speaks_of(row, words)]
        total = len(rows)
        if "startAfterId" in ask.query:
            after = [int(ask.query.get("startAfter", "0")), ask.query["startAfterId"]]
            rows = _behind(rows, after, _DEFAULT_SORT)
        contacts = [wire.contact(row, location_id=self._settings.location_id) for row in rows[:limit]]
        return Reply(body={"contacts": contacts, "count": total})

    def _check(
        self,
        *,
        limit: int,
        page: int,
        after: Sequence[Any],
        sort: Sequence[dict[str, str]],
        body: dict[str, Any],
    ) -> None:
        trace = self._store.ids.trace()
        if not 1 <= limit <= _MOST:
            raise refusals.unprocessable([f"pageLimit must not be greater than {_MOST}"], trace=trace)
        if len(body.get("query", "")) > _LONGEST_QUERY:
            raise refusals.unprocessable(
                [f"query must be shorter than or equal to {_LONGEST_QUERY} characters"], trace=trace
            )
        if after and "page" in body:
            raise refusals.bad_request("searchAfter and page cannot be combined", traceId=trace)
        if page < 1 or (not after and page * limit > _DEEPEST):
            raise refusals.bad_request("page is out of range, use searchAfter", traceId=trace)
        if after and len(after) != len(sort) + 1:
            raise refusals.bad_request("searchAfter does not fit the sort", traceId=trace)
        for one in sort:
            if one["field"] not in _SORTABLE:
                raise refusals.bad_request(f"Invalid sort field {one['field']}", traceId=trace)

    def _ordered(self, sort: Sequence[dict[str, str]]) -> list[Contact]:
        """Return all contacts of the index in the order of *sort*; ties go by id."""
        index = self._store.contacts.index
        key = (index.version, repr(sort))
        if self._sorted[0] != key:
            rows = sorted(index.records.values(), key=lambda row: row.id)
            for one in reversed(sort):
                rows.sort(key=READERS[one["field"]], reverse=one["direction"] == "desc")
            self._sorted = (key, rows)
        return self._sorted[1]

    def _matching(self, body: dict[str, Any]) -> Callable[[Contact], bool]:
        filters = [self._condition(one) for one in body.get("filters") or []]
        words = body.get("query", "")
        return lambda row: _speaks_of(row, words) and all(fits(row) for fits in filters)

    def _condition(self, one: Any) -> Callable[[Contact], bool]:  # noqa: ANN401 - JSON
        trace = self._store.ids.trace()
        match one:
            case {"group": "AND" | "OR" as group, "filters": list(parts), **rest} if not rest:
                inner = [self._condition(part) for part in parts]
                join = all if group == "AND" else any
                return lambda row: join(fits(row) for fits in inner)
            case {"field": str(field), "operator": str(operator), **rest} if not rest.keys() - {"value"}:
                if field not in READERS:
                    raise refusals.bad_request(f"Invalid field {field}", traceId=trace)
                found = self._test(field, operator, rest.get("value"))
                if found is not None:
                    return found
                message = f"Invalid operator or value for field {field}: {operator}"
                raise refusals.bad_request(message, traceId=trace)
            case _:
                raise refusals.unprocessable(["each value in filters must be a filter"], trace=trace)

    def _test(self, field: str, operator: str, value: Any) -> Callable[[Contact], bool] | None:  # noqa: ANN401
        """Return the test of one filter, None where the operator does not fit the field or the value."""
        read = READERS[field]
        if operator.startswith("not_"):
            inner = self._test(field, operator.removeprefix("not_"), value)
            return None if inner is None else lambda row: not inner(row)
        match operator, value:
            case "exists", None:
                return lambda row: read(row) not in ("", ())
            case "eq", str() | bool() | int() | float() | list():
                wanted = value if isinstance(value, list) else [value]
                return lambda row: _equals(read(row), wanted)
            case "contains", str() if field != "email" and field not in _DATES:
                return lambda row: _contains(read(row), value.lower())
            case "range", dict() if field in _DATES and value and value.keys() <= self._settings.range_keys:
                return lambda row: _within(read(row), value)
            case _:
                return None


def _equals(found: object, wanted: Sequence[object]) -> bool:
    lowered = [one.lower() if isinstance(one, str) else one for one in wanted]
    if isinstance(found, tuple):
        return any(one in found for one in lowered)
    return (found.lower() if isinstance(found, str) else found) in lowered


def _contains(found: object, text: str) -> bool:
    if isinstance(found, tuple):
        return any(text in one for one in found)
    return text in str(found).lower()


def _within(found: int, bounds: dict[str, Any]) -> bool:
    compare = {
        "gte": lambda bound: found >= bound,
        "from": lambda bound: found >= bound,
        "lte": lambda bound: found <= bound,
        "to": lambda bound: found <= bound,
        "gt": lambda bound: found > bound,
        "lt": lambda bound: found < bound,
    }
    return all(compare[name](_moment(bound)) for name, bound in bounds.items())


def _moment(bound: Any) -> int:  # noqa: ANN401 - JSON
    from datetime import datetime

    if isinstance(bound, int | float):
        return int(bound)
    return wire.milliseconds(datetime.fromisoformat(str(bound)))


def _speaks_of(row: Contact, words: str) -> bool:
    """Whether *row* has *words* in its name, e-mail, phone or company."""
    text = f"{row.name} {row.email} {row.phone} {row.company_name}".lower()
    return words.lower() in text


def _cursor(row: Contact, sort: Sequence[dict[str, str]]) -> list[Any]:
    return [READERS[one["field"]](row) for one in sort] + [row.id]


def _behind(rows: list[Contact], after: Sequence[Any], sort: Sequence[dict[str, str]]) -> list[Contact]:
    """Return the *rows*, which are in the order of *sort*, that come behind the cursor *after*."""

    def is_behind(row: Contact) -> bool:
        for found, bound, one in zip(_cursor(row, sort), after, sort, strict=False):
            if found != bound:
                return bool(found < bound) if one["direction"] == "desc" else bool(found > bound)
        return bool(row.id > after[-1])

    return rows[bisect_left(rows, True, key=is_behind) :]  # noqa: FBT003 - from here on it is true
