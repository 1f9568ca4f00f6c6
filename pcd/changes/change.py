"""What a change is: one row before and after one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Operation: TypeAlias = Literal["I", "U", "D"]
STAMPS = ("st_created_on", "st_modified_on")
"""When it happened upstream. Remembered with a change; where nothing else differs there is none."""

State: TypeAlias = "Mapping[str, Any]"
"""The tracked columns of a row and, in the last one known, ``st_created_on`` and ``st_modified_on``.

As in JSON: an instant is an ISO text, in UTC or without a zone as its column is, a fraction a Decimal.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The net effect of one transaction on one row, in the tracked columns.

    *resource* is the table's word (``"jobs"`` for ``st_jobs``). ``I``: the row was never here before,
    *before* is None. ``D``: it is gone, *after* is None. ``U``: both are there. A row that had been deleted
    and came back is a ``U`` from what it was when it left, so *before* and *after* may be equal: nothing
    happened to it, but what was forgotten when it left has to be remembered again.

    *origin* names the pass of ours that wrote it (``"sync 8f14..."``), None for a foreign writer.

    *id* rises from change to change of the same row; *changed_at* is when its last statement ran. Of two
    changes of different rows the later one may have the lower id.
    """

    id: int
    resource: str
    st_id: int
    op: Operation
    before: State | None
    after: State | None
    xid: int
    changed_at: datetime
    origin: str | None = None

    def moved(self, column: str) -> bool:
        """Whether the value of *column* is another one than before; of a new row, whether it has one."""
        return (self.before or {}).get(column) != (self.after or {}).get(column)
