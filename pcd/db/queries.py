"""The named statements of a stage, from the ``queries.sql`` beside its code."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^--\s*name:\s*(?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)


@cache
def load(package: str) -> Mapping[str, str]:
    """Return the statements of ``queries.sql`` in *package* by name.

    Each starts with ``-- name: claim_runs`` and a second comment line that states its purpose.
    """
    return parse((files(package) / "queries.sql").read_text(encoding="utf-8"), where=package)


def parse(text: str, *, where: str) -> Mapping[str, str]:
    """Return the named statements in *text*; raises ValueError on a duplicate name or a missing purpose."""
    found = list(_NAME.finditer(text))
    head = text[: found[0].start()] if found else text
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{where}: SQL before the first name")
    statements: dict[str, str] = {}
    for position, match in enumerate(found):
        end = found[position + 1].start() if position + 1 < len(found) else len(text)
        name, body = match["name"], text[match.end() : end].strip().rstrip(";")
        if name in statements:
            raise ValueError(f"{where}: two statements are named {name}")
        if not body.startswith("--"):
            raise ValueError(f"{where}: {name} does not say what it is for")
        statements[name] = body
    return MappingProxyType(statements)
