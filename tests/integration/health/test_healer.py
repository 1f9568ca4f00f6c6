"""Healing: what is tried, what is recorded, when a person is asked."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.errors import ControlError, LeaseLost
from pcd.health.alert import News
from pcd.health.alerts import Alerts
from pcd.health.check import Bounds, Check, Level, Measurement, Scope, Thresholds
from pcd.health.diagnose import believe
from pcd.health.healer import Healer
from pcd.health.ledger import Ledger
from pcd.health.monitor import Monitor
from pcd.health.reader import Reader
from pcd.health.remedy import Mode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.health.check import Reading, Verdict
    from pcd.health.diagnose import Diagnosis

pytestmark = pytest.mark.asyncio

CHECKS = {
    check.name: check
    for check in (
        Check(
            name="sync",
            reads="sync",
            bounds=lambda _: Bounds(warn=15, fail=30),
            owner="The mirror is old.",
            remedy="resync",
            heals="sync",
            heals_after=1,
        ),
        Check(
            name="disk",
            reads="disk",
            bounds=lambda _: Bounds(fail=95),
            owner="Free some space.",
            remedy="ask_person",
            heals_after=1,
        ),
        Check(
            name="parts",
            reads="parts",
            bounds=lambda _: Bounds(warn=1, fail=2),
            owner="A part fails.",
            remedy="restart_services",
            heals_after=1,
        ),
        Check(
            name="odd", reads="odd", bounds=lambda _: Bounds(warn=0.5, fail=1), owner="Odd.", heals_after=1
        ),
    )
}


@dataclass(slots=True)
class Ward:
    """A monitor whose readings the test sets, and a healer that looks after it."""

    monitor: Monitor
    alerts: Alerts
    db: Database
    values: dict[str, float] = field(
        default_factory=lambda: {"sync": 0.0, "disk": 10.0, "parts": 0.0, "odd": 0.0}
    )
    done: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    helps: bool = True
    trouble: str = ""
    needs_person: bool = False
    access: float = 0.0

    async def resync(self, subject: str) -> str:
        if self.trouble:
            raise ControlError(self.trouble)
        self.done.append(subject)
        if self.helps:
            self.values["sync"] = self.values["odd"] = 0.0
        return "synced"

    async def restart(self, subject: str) -> str:
        self.done.append(f"restart {subject}")
        if self.helps:
            self.values["parts"] = 0.0
        return "restarted"

    async def ask(self, verdict: Verdict, _tried: str) -> Diagnosis | None:
        self.asked.append(verdict.check)
        return believe(self.answer, services=("sync", "events"))

    async def records(self) -> list[dict[str, Any]]:
        rows = await self.db.fetch("SELECT * FROM automation.remedies ORDER BY id")
        return [dict(row) for row in rows]

    async def until(self, is_so: Callable[[], bool]) -> None:
        with anyio.fail_after(20):
            while not is_so():
                await self.monitor.look()
                await anyio.sleep(0.01)

    async def until_recorded(self, result: str) -> dict[str, Any]:
        with anyio.fail_after(20):
            while not (found := await self.records()) or found[-1]["result"] != result:
                await self.monitor.look()
                await anyio.sleep(0.02)
            return found[-1]

    @property
    def open(self) -> dict[str, str]:
        return {alert.key: alert.text for alert in self.alerts.open}


@asynccontextmanager
async def ward(db: Database, *, mode: Mode = Mode.ON, lease: Lease | None = None) -> AsyncIterator[Ward]:
    clock = Clock()
    alerts = Alerts(clock)

    def source(name: str) -> Callable[[], Any]:
        async def read() -> Reading:
            value = found.values[name]
            text = f"{name} at {value:g}"
            own = Measurement(value=value, text=text, needs_person=found.needs_person)
            if name != "parts":
                return {"": own}
            access = Measurement(value=found.access, text="access", needs_person=True)
            return {"web": own, "access": access}

        return read

    monitor = Monitor(
        CHECKS,
        reader=Reader({name: source(name) for name in CHECKS}),
        thresholds=Thresholds(sync_stalled_after=timedelta(1), workflow_stalled_after=timedelta(1)),
        interval=timedelta(hours=1),
        clock=clock,
    )
    found = Ward(monitor, alerts, db)
    healer = Healer(
        "healer",
        monitor,
        scope=Scope.DATABASE,
        checks=CHECKS,
        alerts=alerts,
        ledger=Ledger(lambda: db, clock=clock, holder="test", lease=lease),
        deeds={"resync": found.resync, "restart_services": found.restart},
        ask=found.ask,
        mode=lambda: mode,
        clock=clock,
    )
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: healer.run(task_status=task_status))
        yield found
        group.cancel_scope.cancel()


async def test_stalled_sync_is_healed_measured_again_and_recorded_without_a_person(db: Database) -> None:
    async with ward(db) as patient:
        patient.values["sync"] = 45
        row = await patient.until_recorded("helped")
        assert patient.open == {}
    assert patient.done == ["sync"]
    assert (row["remedy"], row["check_name"], row["detail"], row["decided_by"]) == (
        "resync",
        "sync",
        "synced",
        "rule",
    )
    assert row["ended_at"] is not None


async def test_warning_is_left_to_itself(db: Database) -> None:
    async with ward(db) as patient:
        patient.values["sync"] = 20
        for _ in range(3):
            await patient.monitor.look()
            await anyio.wait_all_tasks_blocked()
        assert patient.monitor.verdicts["sync"].level is Level.WARN
        assert (patient.open, patient.done) == ({}, [])


async def test_remedy_that_fails_becomes_an_alert(db: Database) -> None:
    async with ward(db) as patient:
        patient.trouble = "ServiceTitan refuses the credentials"
        patient.values["sync"] = 45
        await patient.until(lambda: bool(patient.open))
        assert "resync did not help: ServiceTitan refuses" in patient.open["health.sync"]
        assert "The mirror is old." in patient.open["health.sync"]
        for _ in range(5):
            await patient.monitor.look()
        (row,) = await patient.records()
        assert row["result"] == "failed"
        patient.values["sync"] = 0
        await patient.until(lambda: not patient.open)


async def test_remedy_that_does_not_help_in_time_is_escalated(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pcd.health import healer
    from pcd.health.remedy import REMEDIES

    quick = replace(REMEDIES["resync"], within=timedelta(seconds=0.3))
    monkeypatch.setattr(healer, "REMEDIES", {**REMEDIES, "resync": quick})
    async with ward(db) as patient:
        patient.helps = False
        patient.values["sync"] = 45
        await patient.until(lambda: bool(patient.open))
        (row,) = await patient.records()
    assert row["result"] == "did_not_help"
    assert "not better within" in patient.open["health.sync"]


async def test_dry_run_records_what_would_be_done_and_does_nothing(db: Database) -> None:
    async with ward(db, mode=Mode.DRY_RUN) as patient:
        patient.values["sync"] = 45
        await patient.until(lambda: bool(patient.open))
        (row,) = await patient.records()
    assert (row["result"], patient.done) == ("dry_run", [])
    assert "health.remedies is dry_run" in patient.open["health.sync"]


async def test_switched_off_asks_a_person(db: Database) -> None:
    async with ward(db, mode=Mode.OFF) as patient:
        patient.values["sync"] = 45
        await patient.until(lambda: bool(patient.open))
        assert await patient.records() == []
    assert "switched off" in patient.open["health.sync"]


async def test_what_needs_a_person_is_never_tried(db: Database) -> None:
    async with ward(db) as patient:
        patient.values["disk"] = 99
        await patient.until(lambda: bool(patient.open))
        assert (patient.done, patient.asked) == ([], [])
    assert patient.open["health.disk"] == "Free some space."


async def test_what_no_remedy_can_mend_goes_to_a_person_at_once(db: Database) -> None:
    """A service without credentials is as broken after a restart; nobody has to be asked what is wrong."""
    async with ward(db) as patient:
        patient.needs_person, patient.helps = True, False
        patient.values["parts"] = 2
        await patient.until(lambda: bool(patient.open))
        for _ in range(5):
            await patient.monitor.look()
        assert await patient.records() == []
        assert (patient.done, patient.asked) == ([], [])
        assert patient.open["health.parts"] == "A part fails."
        patient.needs_person = False
        row = await patient.until_recorded("started")
    assert (row["remedy"], row["subject"]) == ("restart_services", "web")


async def test_what_waits_for_a_person_is_not_over_because_another_part_is_healed(db: Database) -> None:
    async with ward(db) as patient:
        patient.access = patient.values["parts"] = 2
        await patient.until(lambda: bool(patient.open))
        row = await patient.until_recorded("helped")
        news = [notice.news for notice in patient.alerts.take()]
        assert (row["subject"], news, list(patient.open)) == ("web", [News.RAISED], ["health.parts"])
        patient.access = 0
        await patient.until(lambda: not patient.open)


async def test_confident_and_allowed_diagnosis_is_carried_out_once(db: Database) -> None:
    async with ward(db) as patient:
        patient.answer = {
            "diagnosis": "It hangs.",
            "remedy": "trigger_sync",
            "subject": "",
            "confidence": 0.97,
        }
        patient.values["odd"] = 5
        row = await patient.until_recorded("helped")
        assert row["decided_by"] == "diagnosis"
        await patient.until(lambda: not patient.open)
    assert (patient.asked, patient.done) == (["odd"], ["resync"])


async def test_diagnosis_of_a_warning_has_helped_only_when_the_warning_is_gone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pcd.health import diagnose
    from pcd.health.remedy import REMEDIES

    quick = replace(REMEDIES["restart_services"], within=timedelta(seconds=0.3))
    monkeypatch.setattr(diagnose, "remedy_named", lambda _: quick)
    async with ward(db) as patient:
        patient.answer = {
            "diagnosis": "It hangs.",
            "remedy": "restart_workers",
            "subject": "events",
            "confidence": 0.97,
        }
        patient.values["odd"] = 0.7
        await patient.until(lambda: bool(patient.open))
        (row,) = await patient.records()
    assert (row["result"], patient.done) == ("did_not_help", ["restart events"])
    assert "restart_services did not help" in patient.open["health.odd"]


async def test_diagnosis_that_comes_too_soon_again_is_not_told_as_carried_out(db: Database) -> None:
    async with ward(db) as patient:
        patient.answer = {"diagnosis": "It hangs.", "remedy": "resync", "subject": "", "confidence": 0.97}
        patient.values["odd"] = 5
        await patient.until_recorded("helped")
        await patient.until(lambda: patient.values["odd"] == 0 and not patient.open)
        patient.values["odd"] = 5
        await patient.until(lambda: bool(patient.open))
    assert patient.done == ["resync"]
    assert "helped, but not for long" in patient.open["health.odd"]
    assert "completed successfully" not in patient.open["health.odd"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            {"diagnosis": "Drop it.", "remedy": "drop_database", "subject": "", "confidence": 1.0},
            id="action that does not exist",
        ),
        pytest.param(
            {"diagnosis": "Perhaps.", "remedy": "resync", "subject": "", "confidence": 0.5}, id="not sure"
        ),
        pytest.param(None, id="nobody can say"),
    ],
)
async def test_doubtful_diagnosis_only_reaches_a_person(db: Database, answer: dict[str, Any] | None) -> None:
    async with ward(db) as patient:
        patient.answer = answer
        patient.values["odd"] = 5
        await patient.until(lambda: bool(patient.open))
        for _ in range(5):
            await patient.monitor.look()
        assert await patient.records() == []
    assert (patient.done, patient.asked) == ([], ["odd"])
    assert ("Perhaps." in patient.open["health.odd"]) is (answer is not None and answer["confidence"] == 0.5)


async def test_healer_that_lost_its_lease_does_nothing(db: Database) -> None:
    leaser = Leaser(db, holder="first", ttl=timedelta(seconds=30), clock=Clock())
    lease = await leaser.take("healer")
    await db.execute("UPDATE pcd.leases SET term = nextval('pcd.lease_terms') WHERE name = 'healer'")
    with pytest.RaisesGroup(LeaseLost, flatten_subgroups=True, allow_unwrapped=True):
        async with ward(db, lease=lease) as patient:  # type: ignore[arg-type]  # taken: nobody else held it
            patient.values["sync"] = 45
            await patient.until(lambda: False)
    assert patient.done == []
    assert await patient.records() == []
