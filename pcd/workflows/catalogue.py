"""Which actions there are and what each must be told, without anything that performs them.

`pcd.actions` declares them; the composition root hands the catalogue to whoever reads definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionKind:
    """One action, declared: its word in definitions, its parameters, and what it does in one sentence."""

    name: str
    parameters: type[msgspec.Struct]
    meaning: str
    is_message: bool = False


Catalogue: TypeAlias = Mapping[str, ActionKind]
