"""The version of GoHighLevel's API that each resource is spoken to in, and where each lies.

Source: HighLevel API documents of 2026-06-19, ``apps/*.json``: the header is required and enumerated;
what each version takes and answers differs (``v3`` renames fields).
"""

from __future__ import annotations

from typing import Final

VERSIONS: Final = {
    "contacts": "2021-07-28",
    "opportunities": "2021-07-28",
    "locations": "2021-07-28",
    "users": "2021-07-28",
    "workflows": "2021-07-28",
    "conversations": "2021-04-15",
    "calendars": "2021-04-15",
}
"""The ``Version`` header by the first part of the path."""


def version_of(path: str) -> str:
    """Return the ``Version`` header for *path*, which begins with ``/``."""
    return VERSIONS[path.split("/", 2)[1]]
