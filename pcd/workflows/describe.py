"""Say in words which actions there are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.workflows.catalogue import Catalogue


class Row(NamedTuple):
    """An action as a line of a table; parameters in brackets may be left out."""

    action: str
    parameters: str
    meaning: str


def rows(catalogue: Catalogue) -> list[Row]:
    """Return every action, in the order of the catalogue."""
    return [Row(kind.name, _parameters(kind.parameters), kind.meaning) for kind in catalogue.values()]


def markdown(found: Iterable[Row]) -> str:
    """Return the table of all actions for the documentation."""
    lines = ["| action | parameters | what it does |", "|---|---|---|"]
    lines += [f"| `{one.action}` | {one.parameters} | {one.meaning} |" for one in found]
    return "\n".join(lines) + "\n"


def _parameters(struct: type[msgspec.Struct]) -> str:
    fields = msgspec.structs.fields(struct)
    return ", ".join(one.encode_name if one.required else f"[{one.encode_name}]" for one in fields)
