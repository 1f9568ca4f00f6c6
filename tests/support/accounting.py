"""Counts what reached a simulated subaccount against what the outbox says was owed and tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.ghl.caller import PATIENCE

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.sim.calls import Call
    from pcd.sim.ghl.server import Simulator

_OK, _THROTTLED, _UNPROCESSABLE = 200, 429, 422
_OWED = """
SELECT
    coalesce(sum(attempts) FILTER (WHERE kind LIKE 'create%'), 0) AS creations_tried,
    coalesce(sum(attempts) FILTER (WHERE kind NOT LIKE 'create%'), 0) AS updates_tried,
    count(*) FILTER (WHERE kind NOT LIKE 'create%' AND state = 'done') AS updates_done,
    count(*) FILTER (WHERE state NOT IN ('done', 'superseded')) AS left_over
FROM integrations.ghl_outbox
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Both sides of the account; writes that the limit turned away count as none.

    *made* are creations that were carried out, *found* those of them to which nobody answered, so that the
    next try finds the record and writes nothing. *lost* are updates that were carried out without an answer,
    so that they are sent again. *failed* writes changed nothing; *refused* are those among them for which
    nothing was made to go wrong. *unread* is how often a look-up was given up, and its try with it.
    """

    creations_tried: int
    updates_tried: int
    updates_done: int
    left_over: int
    creations: int
    updates: int
    made: int
    found: int
    carried_out: int
    lost: int
    failed: int
    refused: int
    unread: int

    @property
    def needed(self) -> int:
        """The fewest writes that bring about what was owed."""
        return self.made + self.updates_done

    def check(self, *, cut: int = 0) -> None:
        """Assert that there were as many writes as were needed, and those that had to be sent again.

        *cut* are the tries that ended with their process: whether they wrote anything is not known.
        """
        assert self.left_over == 0
        assert self.refused == 0
        untold = self.creations_tried - self.creations - self.found
        unsent = self.updates_tried - self.updates
        again = self.carried_out - self.updates_done - self.lost
        assert 0 <= untold <= cut + self.unread
        assert 0 <= unsent <= cut
        # An update that was both lost and cut off is sent again once.
        assert -min(cut, self.lost) <= again <= cut
        assert self.creations + self.updates == self.needed + self.failed + self.lost + again


async def books(db: Database, sim: Simulator) -> Books:
    """Return how many calls were owed and tried, and how many writes reached *sim*."""
    row = await db.fetchrow(_OWED)
    assert row is not None
    writes = [call for call in sim.calls.writes if call.status != _THROTTLED]
    creations = [call for call in writes if call.method == "POST"]
    updates = [call for call in writes if call.method == "PUT"]
    carried_out = [call for call in updates if call.committed]
    failed = [call for call in writes if not call.committed]
    unread = Counter(
        (call.path, *call.query.values()) for call in sim.calls if not call.is_write and call.status != _OK
    )
    return Books(
        **{name: int(count) for name, count in row.items()},
        creations=len(creations),
        updates=len(updates),
        made=sum(call.committed for call in creations),
        found=sum(_is_found(call) for call in creations),
        carried_out=len(carried_out),
        lost=sum(call.status not in (_OK, _UNPROCESSABLE) for call in carried_out),
        failed=len(failed),
        refused=sum(not call.trouble for call in failed),
        unread=sum(count // PATIENCE.attempts for count in unread.values()),
    )


def _is_found(call: Call) -> bool:
    """Whether the next try finds what was made: a contact that was refused is found by the same one."""
    is_contact = call.path == "/contacts/"
    return call.committed and call.status != 201 and not (is_contact and call.status == _UNPROCESSABLE)
