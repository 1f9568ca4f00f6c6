"""Records that the contract forbids."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from pcd.sim.clock import SimClock
from pcd.sim.drift import drifted
from pcd.sim.faults import RECORD_FAULTS, Faults
from pcd.sim.store import Store

RECORD = {
    "id": 7,
    "name": "Tern Row",
    "status": "Scheduled",
    "summary": "Green water",
    "customFields": [],
    "dueDate": None,
    "active": True,
}


def served(**rates: float) -> dict[str, object]:
    """Return how one record is served under these rates."""
    store = Store(clock=SimClock(datetime(2026, 9, 4, tzinfo=UTC), speed=0))
    store["jobs"].put(RECORD)
    faults = Faults(**rates)  # type: ignore[arg-type]  # the seed is the only int, and is not given
    record: dict[str, object] = orjson.loads(drifted(store["jobs"].row(7), resource="jobs", faults=faults))
    return record


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        ("unknown_field", "isArchivable", False),
        ("unknown_value", "status", "ScheduledReviewed"),
        ("null_field", "customFields", None),
        ("null_modified", "modifiedOn", None),
        ("wrong_type", "summary", 0),
        ("nul_text", "name", "Tern Row\x00"),
    ],
)
def test_fault_changes_its_field_and_keeps_active_last(fault: str, name: str, value: object) -> None:
    plain, changed = served(), served(**{fault: 1.0})
    assert changed[name] == value != plain.get(name, "absent")
    assert list(changed)[-1] == "active"


def test_all_faults_may_meet_in_one_record() -> None:
    assert served(**dict.fromkeys(RECORD_FAULTS, 1.0)).keys() > RECORD.keys()


def test_other_seed_affects_other_records() -> None:
    store = Store(clock=SimClock(datetime(2026, 9, 4, tzinfo=UTC), speed=0))
    for number in range(200):
        store["jobs"].put({**RECORD, "id": number})
    affected = [
        {
            row.id
            for row in store["jobs"].rows()
            if drifted(row, resource="jobs", faults=Faults(seed=seed, unknown_field=0.1)) != row.body
        }
        for seed in (1, 2)
    ]
    assert affected[0] != affected[1]
    assert 5 < len(affected[0]) < 40
