"""Write the query parameters of a request. Pure.

Values are plain text; the HTTP client percent-encodes them (a ``+`` must not arrive as a space).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.tables.spec import ExportEndpoint, ListEndpoint

MAX_IDS = 50
"""How many ids one look-up may name. Source: every list operation in the OpenAPI documents of 2026-05-21."""

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the first record of any tenant; for endpoints that insist on a date."""


def stamp(instant: datetime) -> str:
    """Return *instant* as ServiceTitan accepts it: UTC, marked ``Z``.

    ``+00:00`` is refused by at least forms/submissions (tap-service-titan, ``forms.py``).
    """
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone cannot be sent")
    return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def list_params(
    endpoint: ListEndpoint,
    *,
    page: int,
    page_size: int | None = None,
    modified_from: datetime | None = None,
    modified_before: datetime | None = None,
    include_total: bool = False,
) -> dict[str, str]:
    """Return the parameters of one page of *endpoint*, inactive records included.

    *page* counts from the endpoint's first page; *page_size* defaults to the endpoint's own. The window
    ``[modified_from, modified_before)`` is left out where the endpoint cannot filter by modification:
    the answer then holds everything.
    """
    params = {
        "page": str(page),
        "pageSize": str(page_size or endpoint.page_size),
        **endpoint.inactive,
        **_window(endpoint, modified_from, modified_before),
    }
    if endpoint.sort:
        params["sort"] = endpoint.sort
    if include_total:
        params["includeTotal"] = "true"
    return params


def ids_params(endpoint: ListEndpoint, ids: Sequence[int]) -> dict[str, str]:
    """Return the parameters that look up *ids*, 1 to 50 of them, inactive records included.

    The answer is one page, the first; a missing id is simply absent from it.
    """
    if not endpoint.ids:
        raise ValueError(f"{endpoint.path} does not look up ids")
    if not 1 <= len(ids) <= MAX_IDS:
        raise ValueError(f"{len(ids)} ids asked for, 1 to {MAX_IDS} are possible")
    return {
        "page": str(endpoint.first_page),
        "pageSize": str(MAX_IDS),
        **endpoint.inactive,
        **_window(endpoint, None, None),
        "ids": ",".join(map(str, ids)),
    }


def export_params(
    endpoint: ExportEndpoint,
    *,
    token: str = "",
    since: datetime | None = None,
    recent: bool = False,
) -> dict[str, str]:
    """Return the parameters that continue an export after *token*, else from *since*, else from the start.

    *recent* also brings what changed within the last 15 minutes, some of it more than once. *since* is
    inclusive.

    Source: OpenAPI documents of 2026-05-21 (a date); tap-service-titan, ``client.py`` (an instant).
    """
    params = dict(endpoint.params)
    if token:
        params["from"] = token
    elif since is not None:
        params["from"] = stamp(since)
    if recent:
        params["includeRecentChanges"] = "true"
    return params


def _window(endpoint: ListEndpoint, start: datetime | None, end: datetime | None) -> dict[str, str]:
    if endpoint.needs_modified and start is None:
        start = EPOCH
    window = {"modifiedOnOrAfter": start, "modifiedBefore": end} if endpoint.modified else {}
    return {name: stamp(instant) for name, instant in window.items() if instant is not None}
