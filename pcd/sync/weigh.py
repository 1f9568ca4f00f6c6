"""Decide whether a record that arrives is newer than the row that is stored. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?")
_DIGITS = 7
_FULL = len("2021-07-19T20:35:38.2876004Z")


def normalise_modified(value: str | None) -> str | None:
    """Return *value* with exactly seven fractional digits, so that instants sort as text.

    ServiceTitan writes up to seven digits and trims trailing zeros; PostgreSQL keeps six. An instant
    that cannot be read is treated as absent.

    >>> normalise_modified("2021-07-19T20:35:38.28Z")
    '2021-07-19T20:35:38.2800000Z'
    """
    if value and len(value) == _FULL and value[19] == "." and value[27] == "Z":
        return value
    found = _INSTANT.fullmatch(value) if value else None
    if found is None:
        return None
    return f"{found[1]}.{(found[2] or '')[:_DIGITS].ljust(_DIGITS, '0')}Z"


def is_stale(
    *,
    modified: str | None,
    as_of: datetime,
    stored_modified: str | None,
    stored_as_of: datetime | None,
) -> bool:
    """Tell whether the arriving record is older than the stored one.

    The plain export lags a quarter of an hour behind the fresh pass, so an older state of a record
    can arrive after a newer one. The modification instant decides; on a tie, or where either side
    has none, the answer whose request started earlier is the older one.
    """
    if modified is not None and stored_modified is not None and modified != stored_modified:
        return modified < stored_modified
    return stored_as_of is not None and as_of < stored_as_of
