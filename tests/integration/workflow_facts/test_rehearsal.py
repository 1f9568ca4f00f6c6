from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.detecting import detecting

from pcd.actions import CATALOGUE
from pcd.clock import Clock
from pcd.config import BusinessConfig, Config
from pcd.errors import ControlError
from pcd.rehearsal.known import known
from pcd.rehearsal.rehearser import Rehearser
from pcd.workflows.loader import built_in, load

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database
    from pcd.workflows.workflow import Workflow

pytestmark = pytest.mark.asyncio

CONFIG = Config(business=BusinessConfig(name="Cool Air", phone="(407) 555-0100", review_link="https://r"))


def follow_up() -> Workflow:
    return next(one for one in (read() for _, read in built_in()) if one.name.startswith("Estimate"))


class Later(Clock):
    """A clock that is that far ahead of the database's."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


async def estimates(db: Database) -> list[str]:
    """Let one estimate stay open, one be sold at once, one be small, one have no customer to write to."""
    async with detecting(db) as detection:
        for customer, phone in ((1, "4075550101"), (2, "4075550102"), (3, None)):
            await detection.write("customers", customer, name="[name]", phone=phone, active=True)
        rows = ((11, 1, 5000), (12, 2, 5000), (13, 1, 10), (14, 3, 5000), (15, 1, 6000))
        for st_id, customer, total in rows:
            await detection.write(
                "estimates", st_id, customer_id=customer, status="Open", total=total, active=True
            )
        await detection.events()
        await detection.write("estimates", 12, status="Sold", sold_on=datetime.now(UTC))
        found = await detection.events()
    return [str(event["id"]) for event in found if event["type"] == "estimate_created"]


async def test_backtest_says_how_many_messages_to_whom_and_why_not(db: Database) -> None:
    await estimates(db)
    rehearser = Rehearser(CONFIG, db, clock=Later(timedelta(days=30)))
    found = await rehearser.backtest(follow_up(), since=datetime.now(UTC) - timedelta(days=1))
    assert found.events == 5
    assert [(one.entity_id, one.status.value, len(one.messages)) for one in found.timelines] == [
        (11, "completed", 4),
        (12, "stopped", 0),
        (14, "completed", 0),
    ]
    assert not any(line.told for one in found.timelines for line in one.lines)
    assert {line.reason for line in found.timelines[2].lines} == {"the customer has no phone number"}
    reasons = sorted(found.refusals.items())
    assert [count for _, count in reasons] == [1, 1]
    assert reasons[0][0].startswith("estimate.total >= 1000 does not hold")
    assert reasons[1][0] == "the customer has 1 already, as many as it allows"


async def test_backtest_leaves_out_what_is_still_to_come(db: Database) -> None:
    await estimates(db)
    rehearser = Rehearser(CONFIG, db, clock=Later(timedelta(days=4)))
    found = await rehearser.backtest(follow_up(), since=datetime.now(UTC) - timedelta(days=1))
    open_one = found.timelines[0]
    assert open_one.due_at is not None
    assert open_one.due_at > found.until
    assert all(line.at <= found.until for line in open_one.lines)


async def test_nothing_is_written_by_a_backtest(db: Database) -> None:
    await estimates(db)
    await Rehearser(CONFIG, db, clock=Later(timedelta(days=30))).backtest(
        follow_up(), since=datetime.now(UTC) - timedelta(days=1)
    )
    assert await db.fetchval("SELECT count(*) FROM automation.workflow_instances") == 0
    assert await db.fetchval("SELECT count(*) FROM automation.messaging_log") == 0


async def test_one_event_is_played_with_what_is_recorded_of_it(db: Database) -> None:
    ids = await estimates(db)
    rehearser = Rehearser(CONFIG, db, clock=Clock())
    trial = await rehearser.rehearse(follow_up(), ids[0], {})
    assert trial.timeline is not None
    assert len(trial.timeline.messages) == 4
    assert "$5,000.00" in trial.timeline.lines[0].told
    sold = await rehearser.rehearse(follow_up(), ids[0], {"estimate.status": "Sold"})
    assert sold.timeline is not None
    assert sold.timeline.reason == "goal_achieved"


async def test_event_that_starts_nothing_says_why(db: Database) -> None:
    ids = await estimates(db)
    rehearser = Rehearser(CONFIG, db, clock=Clock())
    trial = await rehearser.rehearse(follow_up(), ids[2], {})
    assert trial.timeline is None
    assert "estimate.total >= 1000 does not hold" in trial.refusal
    other = replace(follow_up(), trigger=replace(follow_up().trigger, event="job_created"))
    assert "starts with job_created" in (await rehearser.rehearse(other, ids[2], {})).refusal
    with pytest.raises(ControlError, match="there is no event"):
        await rehearser.rehearse(follow_up(), "abcdef12", {})


async def test_opted_out_customer_stops_it(db: Database) -> None:
    ids = await estimates(db)
    await db.execute(
        "INSERT INTO public.customer_communication_preferences (customer_id, sms_opted_out) VALUES (1, true)"
    )
    trial = await Rehearser(CONFIG, db, clock=Clock()).rehearse(follow_up(), ids[0], {})
    assert trial.timeline is not None
    assert (trial.timeline.reason, trial.timeline.messages) == ("opted_out", ())


async def test_file_goes_before_a_row_and_a_row_before_what_is_built_in(db: Database, tmp_path: Path) -> None:
    await db.execute(
        "INSERT INTO automation.workflow_definitions (name, trigger_event, steps) VALUES "
        "('Post-Service Review Request', 'job_completed', $1), ('Appointment Moved', 'job_completed', $1), "
        "('Bad', 'job_done', $1)",
        json.dumps([{"step": 1, "delay": "1 day", "action": "Send SMS to customer: 'Hello'"}]),
    )
    content = '[trigger]\nevent = "job_completed"\n[[steps]]\naction = "upsert_contact"\n'
    (tmp_path / "a.toml").write_text(f'name = "Appointment Moved"\n{content}')
    found = await load(db, folder=tmp_path, known=await known(db, CATALOGUE, CONFIG))
    sources = {one.name: one.source for one in found.workflows}
    assert sources["Post-Service Review Request"] == "row Post-Service Review Request"
    assert sources["Appointment Moved"] == str(tmp_path / "a.toml")
    assert sources["Payment Tracking"] == "built-in payment-tracking.toml"
    assert len(found.hidden) == 3
    assert [failure.source for failure in found.failures] == ["row Bad"]


@pytest.mark.parametrize(
    "rest",
    [
        '[trigger]\nevent = "job_done"\n[[steps]]\naction = "upsert_contact"\n',
        '[trigger]\nevent = "job_completed"\n[[steps]]\naction = "upsert_contcat"\n',
        '[trigger\nevent = "job_completed"\n',
    ],
    ids=["event", "action", "toml"],
)
async def test_file_with_a_mistake_lets_nothing_else_take_its_place(
    db: Database, tmp_path: Path, rest: str
) -> None:
    """What it was to replace may be switched on by its name, and would write to customers."""
    (tmp_path / "mine.toml").write_text(f'# Ours.\nname = "Payment Tracking"\n{rest}')
    found = await load(db, folder=tmp_path, known=await known(db, CATALOGUE, CONFIG))
    assert [failure.source for failure in found.failures] == [str(tmp_path / "mine.toml")]
    assert found.get("Payment Tracking") is None
    assert [one.source for one in found.hidden] == ["built-in payment-tracking.toml"]


async def test_row_with_a_mistake_lets_nothing_else_take_its_place(db: Database) -> None:
    await db.execute(
        "INSERT INTO automation.workflow_definitions (name, trigger_event, steps) "
        "VALUES ('Payment Tracking', 'job_completed', '7')"
    )
    found = await load(db, folder=None, known=await known(db, CATALOGUE, CONFIG))
    assert (len(found.failures), found.get("Payment Tracking")) == (1, None)


async def test_template_that_is_not_there_or_mentions_no_fact_is_named(db: Database, tmp_path: Path) -> None:
    await db.execute(
        "INSERT INTO automation.messaging_templates (name, channel, body_template) VALUES "
        "('visit_tomorrow', 'sms', 'At {appointment.tme}'), "
        "('visit_letter', 'email', 'At {appointment.time}')"
    )
    head = '[trigger]\nevent = "appointment_created"\n'
    for name in ("visit_tomorow", "visit_tomorrow", "visit_letter"):
        step = f'[[steps]]\naction = "send_sms"\nwith = {{ template = "{name}" }}\n'
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\n{head}{step}')
    found = await load(db, folder=tmp_path, known=await known(db, CATALOGUE, CONFIG))
    told = " ".join(str(failure) for failure in found.failures)
    assert "there is no template 'visit_tomorow'; did you mean 'visit_tomorrow'?" in told
    assert "there is no fact appointment.tme; did you mean appointment.time?" in told
    assert "'visit_letter' is a template for email, not for send_sms" in told


async def test_folder_that_is_not_there_is_a_failure_of_its_own(db: Database, tmp_path: Path) -> None:
    found = await load(db, folder=tmp_path / "none", known=await known(db, CATALOGUE, CONFIG))
    assert len(found.workflows) == 7
    assert "cannot be read" in str(found.failures[0])
