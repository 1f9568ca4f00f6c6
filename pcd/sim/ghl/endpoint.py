"""One operation of the API: where, who may, what it takes, and who answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pcd.sim.ghl.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that the gate let through: the path's parts, the parameters, the body."""

    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered."""

    body: dict[str, Any]
    status: int = 200


Answerer: TypeAlias = Callable[[Ask], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """*scope* is what the token needs, *body* None where none is read, *query* what may be asked for.

    *needs* are the parameters without which nothing is answered.
    """

    method: str
    path: str
    scope: str
    answer: Answerer
    body: Schema | None = None
    query: frozenset[str] = field(default_factory=frozenset)
    needs: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        """Whether it is meant to change something."""
        return not self.scope.endswith(".readonly")
