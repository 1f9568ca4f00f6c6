"""What a simulated service was asked, and what it answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_KEPT = 100_000


@dataclass(slots=True, kw_only=True)
class Call:
    """One request. *status* is what the caller was told, 0 while or because it was told nothing.

    *body* is the JSON or the form that was sent, None when there was none. *is_write* tells that it was
    meant to change something, *committed* that it did, whatever the caller was told. *trouble* names
    what was made to go wrong.
    """

    number: int
    at: datetime
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    is_write: bool = False
    status: int = 0
    committed: bool = False
    trouble: str = ""


class CallLog(Sequence[Call]):
    """The latest 100,000 calls, the oldest first; `total` counts all."""

    def __init__(self) -> None:
        """Start empty."""
        self._calls: deque[Call] = deque(maxlen=_KEPT)
        self.total = 0

    def add(self, call: Call) -> None:
        """Append *call*."""
        self.total += 1
        self._calls.append(call)

    @property
    def writes(self) -> list[Call]:
        """The calls that were meant to change something, refused ones included."""
        return [call for call in self._calls if call.is_write]

    @property
    def committed(self) -> list[Call]:
        """The calls that did change something, also where the caller was not told."""
        return [call for call in self._calls if call.committed]

    def to(self, path: str, *, method: str = "") -> list[Call]:
        """Return the calls to exactly this *path*, by any method or this one."""
        return [call for call in self._calls if call.path == path and method in ("", call.method)]

    def clear(self) -> None:
        """Forget all of them; the total too."""
        self._calls.clear()
        self.total = 0

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        """Yield them, the oldest first."""
        return iter(self._calls)

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        """Return one, or some."""
        return list(self._calls)[index] if isinstance(index, slice) else self._calls[index]
