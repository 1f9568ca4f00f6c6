"""Answers of export endpoints: ``{hasMore, continueFrom, data}``.

Source: ServiceTitan's OpenAPI documents of 2026-05-21 (the parameters, tokens, what is active by
default) and "Transactional and export APIs", its developer portal, read 2026-11-23 (the lag, and that
recent changes repeat); tap-service-titan, ``client.py``: a date is inclusive. The form of the token and
the size of a page are guesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from pcd.sim import dialect
from pcd.sim.problem import api_error
from pcd.sim.settings import LagView, SimSettings
from pcd.sim.tokens import Continuation, decode_continuation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pcd.sim.store import Row, Shelf

_ACTIVE_ONLY_BY_DEFAULT = {"appointment_assignments"}
_TAKES_ACTIVE = _ACTIVE_ONLY_BY_DEFAULT | {"appointments"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One page of an export: its rows, where to go on, and whether there is more now."""

    rows: list[Row]
    after: Continuation
    has_more: bool


def start(shelf: Shelf, *, params: Mapping[str, str], epoch: int) -> Continuation:
    """Read ``from``: nothing (from the beginning), a date (inclusive), or a token of this endpoint.

    Raises `Problem` (400) for a token of another endpoint or of an earlier *epoch*.
    """
    text = params.get("from", "")
    beginning = Continuation(resource=shelf.name, sequence=0, floor=0, epoch=epoch)
    if not text:
        return beginning
    try:
        floor = dialect.parse_ticks(text)
    except ValueError:
        found = decode_continuation(text)
        if found is None or found.resource != shelf.name or found.epoch != epoch:
            raise api_error(400, **{"from": "The continuation token is not valid."}) from None
        return found
    return Continuation(resource=shelf.name, sequence=0, floor=floor, epoch=epoch)


def feed(
    shelf: Shelf, *, begin: Continuation, params: Mapping[str, str], settings: SimSettings, now: datetime
) -> Feed:
    """Return the page of *shelf* behind *begin*.

    Without ``includeRecentChanges`` the feed ends where the lag begins. With it, it shows the current
    version of everything, and its last page goes on from where the lag begins, so that the same
    records come again with the next request.
    """
    edge = dialect.ticks(now - settings.export_lag)
    is_recent = params.get("includeRecentChanges", "").lower() == "true"
    hides = is_recent or settings.lag_view is LagView.HIDDEN
    wants = _activity(shelf.name, params=params)
    rows: list[Row] = []
    sequence, has_more = begin.sequence, False
    for row in shelf.changes(after=begin.sequence):
        if row.modified > edge and not is_recent:
            break
        if len(rows) == settings.export_page_size:
            has_more = True
            break
        sequence = row.sequence
        is_replaced = row.replaced and (hides or row.replaced <= edge)
        if not is_replaced and row.modified >= begin.floor and row.active in wants:
            rows.append(row)
    if is_recent and not has_more:
        sequence = min(sequence, _last_settled(shelf, edge=edge))
    after = Continuation(resource=shelf.name, sequence=sequence, floor=begin.floor, epoch=begin.epoch)
    return Feed(rows=rows, after=after, has_more=has_more)


def preceding(shelf: Shelf, *, begin: Continuation, count: int) -> list[Row]:
    """Return up to *count* current rows just before *begin*: those of the page before, once more."""
    earlier = shelf.changes(after=max(0, begin.sequence - count))
    return [
        row
        for row in earlier
        if row.sequence <= begin.sequence and not row.replaced and row.modified >= begin.floor
    ]


def feed_body(found: Feed, *, records: Iterable[bytes]) -> bytes:
    """Return the JSON text of *found*, with *records* as its data."""
    envelope = orjson.dumps({"hasMore": found.has_more, "continueFrom": found.after.encode()})
    return envelope[:-1] + b',"data":[' + b",".join(records) + b"]}"


def _activity(resource: str, *, params: Mapping[str, str]) -> frozenset[bool]:
    """Exports show everything, but assignments only active ones unless told otherwise."""
    text = params.get("active", "").lower() if resource in _TAKES_ACTIVE else "any"
    if not text:
        text = "true" if resource in _ACTIVE_ONLY_BY_DEFAULT else "any"
    match text:
        case "any":
            return frozenset({True, False})
        case "true" | "false":
            return frozenset({text == "true"})
        case _:
            raise api_error(400, active=f"The value '{text}' is not valid.")


def _last_settled(shelf: Shelf, *, edge: int) -> int:
    """Return the sequence number of the last change before the lag begins."""
    for row in shelf.latest():
        if row.modified <= edge:
            return row.sequence
    return 0
