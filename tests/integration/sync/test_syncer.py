"""Mirroring a simulated ServiceTitan into PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.mirroring import mirrored, quick, small_company

from pcd.clock import Clock
from pcd.errors import ControlError, LeaseLost
from pcd.sim.faults import Faults
from pcd.sync.journal import read_seen
from pcd.sync.request import Mode, Request
from pcd.sync.retrier import Retrier
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.sync.request import Tally

pytestmark = pytest.mark.asyncio

STORM = Faults(
    rate_limited=0.05,
    retry_seconds=0,
    server_error=0.05,
    maintenance=0.02,
    token_expired=0.03,
    reset=0.03,
    truncated=0.03,
    wrong_page=0.02,
    disorder=0.3,
    empty_page=0.1,
    duplicates=0.3,
)
DRIFT = Faults(unknown_field=0.2, unknown_value=0.1, null_field=0.1, null_modified=0.2)


@pytest.mark.every_server
async def test_first_load_holds_every_record_once(db: Database) -> None:
    """Active or not, merged or not, full_data equal to what was served."""
    async with mirrored(db, small_company()) as mirror:
        report = await mirror.run(Mode.FULL)
        assert report.is_complete
        assert not await mirror.differences()
        assert report.total.created == sum(len(mirror.sim.store[name]) for name in RESOURCES)


@pytest.mark.timeout(180)
async def test_full_sync_in_a_storm_is_exact(db: Database) -> None:
    """429s, 5xx, maintenance, expired tokens, resets, truncated bodies, disorder: equal in the end."""
    async with mirrored(db, small_company()) as mirror:
        mirror.sim.dice.switch(STORM)
        for _ in range(5):
            if (await mirror.run(Mode.FULL)).is_complete:
                break
        mirror.sim.dice.switch(Faults())
        assert not await mirror.differences()


@pytest.mark.every_server
async def test_second_full_sync_writes_nothing(db: Database) -> None:
    """Not even a row lock: xmin of every row stays, those of derived tables included."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        before = await mirror.stamps()
        report = await mirror.run(Mode.FULL)
        assert report.total.written == 0
        assert await mirror.stamps() == before


async def test_surprises_of_upstream_are_stored_and_counted(db: Database) -> None:
    """Unknown fields, unknown values and nulls where the contract forbids them are never fatal."""
    async with mirrored(db, small_company()) as mirror:
        mirror.sim.dice.switch(DRIFT)
        report = await mirror.run(Mode.FULL)
        assert report.is_complete
        assert not await mirror.differences()
        kinds = {row["kind"] for row in await db.fetch("SELECT DISTINCT kind FROM pcd.surprises")}
        assert kinds >= {"field", "value"}


@pytest.mark.every_server
async def test_record_that_postgresql_refuses_is_quarantined_and_retried(db: Database) -> None:
    """A NUL inside a text stops one record; when it is mended, it arrives and leaves the quarantine."""
    async with mirrored(db, small_company()) as mirror:
        jobs = mirror.sim.store["jobs"]
        st_id = jobs.ids()[0]
        whole = jobs.get(st_id)["summary"]
        jobs.change(st_id, summary="broken \x00 text")
        mirror.sim.clock.advance(timedelta(hours=1))
        report = await mirror.run(Mode.FULL, "jobs")
        assert report.total.failed == 1
        assert report.total.created == len(jobs) - 1
        reason = await db.fetchval(
            "SELECT reason FROM pcd.quarantine WHERE resource = 'jobs' AND st_id = $1", st_id
        )
        assert "PostgreSQL refuses it" in reason
        jobs.change(st_id, summary=whole)
        await mirror.run(Mode.INCREMENTAL, "jobs")
        assert not await db.fetchval("SELECT count(*) FROM pcd.quarantine")
        assert await db.fetchval("SELECT count(*) FROM servicetitan.st_jobs WHERE st_id = $1", st_id) == 1


@pytest.mark.every_server
async def test_row_changed_by_psql_is_healed_by_the_next_full_sync(db: Database) -> None:
    """Changed, deleted, or changed in a derived column: upstream wins."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        damage = (
            "UPDATE servicetitan.st_jobs SET summary = 'x' WHERE st_id % 3 = 0",
            "DELETE FROM servicetitan.st_estimates WHERE st_id % 5 = 0",
            """UPDATE servicetitan.st_invoices SET full_data = '{"id": 1}' WHERE st_id % 7 = 0""",
            "UPDATE servicetitan.st_customers SET email = 'wrong' WHERE st_id % 2 = 0",
        )
        sound = await db.fetch("SELECT st_id, email FROM servicetitan.st_customers ORDER BY st_id")
        for statement in damage:
            await db.execute(statement)
        await mirror.run(Mode.FULL)
        assert not await mirror.differences()
        assert not await db.fetchval("SELECT count(*) FROM servicetitan.st_jobs WHERE summary = 'x'")
        assert await db.fetch("SELECT st_id, email FROM servicetitan.st_customers ORDER BY st_id") == sound


async def test_incremental_pass_without_news_takes_one_request_a_resource(db: Database) -> None:
    """The cost of doing nothing."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        mirror.sim.clock.advance(timedelta(hours=1))
        mirror.sim.requests.clear()
        report = await mirror.run(Mode.INCREMENTAL)
        assert report.is_complete
        assert report.total.fetched == 0
        assert sum(mirror.sim.requests.values()) == len(RESOURCES)


async def test_fresh_pass_brings_a_change_at_once_and_moves_no_cursor(db: Database) -> None:
    """The plain export would hide it for a quarter of an hour."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        cursors = await db.fetch("SELECT resource, token FROM pcd.cursors ORDER BY resource")
        estimates = mirror.sim.store["estimates"]
        st_id = estimates.ids()[-1]
        mirror.sim.clock.advance(timedelta(seconds=5))
        estimates.change(st_id, status={"value": 1, "name": "Sold"})
        report = await mirror.run(Mode.FRESH)
        assert report.total.updated == 1
        row = await db.fetchrow("SELECT status FROM servicetitan.st_estimates WHERE st_id = $1", st_id)
        assert row is not None
        assert row["status"] == "Sold"
        assert await db.fetch("SELECT resource, token FROM pcd.cursors ORDER BY resource") == cursors


async def test_older_export_answer_after_a_fresh_one_changes_nothing(db: Database) -> None:
    """The lagging export still says Open; otherwise the estimate would be sold twice."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        estimates = mirror.sim.store["estimates"]
        st_id = next(key for key in estimates.ids() if estimates.get(key)["status"]["name"] == "Open")
        mirror.sim.clock.advance(timedelta(seconds=5))
        estimates.change(st_id, status={"value": 1, "name": "Sold"})
        await mirror.run(Mode.FRESH)
        stamps = await mirror.stamps()
        await db.execute(
            "UPDATE pcd.cursors SET token = NULL, plain_pass_at = NULL, first_load_completed_at = NULL"
        )
        report = await mirror.run(Mode.INCREMENTAL, "estimates")
        assert report.total.stale == 1
        assert (await mirror.stamps())["st_estimates"] == stamps["st_estimates"]


async def test_record_that_upstream_no_longer_has_is_kept_and_marked(db: Database) -> None:
    """Hard deletes do not surface in every export; a full sync finds them."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        items = mirror.sim.store["estimate_items"]
        victim = items.ids()[3]
        items.delete(victim)
        report = await mirror.run(Mode.FULL, "estimate_items")
        assert report.total.gone == 1
        row = await db.fetchrow(
            "SELECT st_deleted_at, full_data FROM servicetitan.st_estimate_items WHERE st_id = $1", victim
        )
        assert row is not None
        assert row["st_deleted_at"] is not None
        assert row["full_data"] is not None


@pytest.mark.parametrize("resource", ["jobs", "campaigns"], ids=["export", "list"])
async def test_holder_that_was_taken_over_leaves_alone_what_the_next_one_has_seen(
    db: Database, resource: str
) -> None:
    """What is forgotten there would pass for gone."""
    seen: list[int | None] = []

    async def lose_the_lease_and_walk_on() -> None:
        async with mirrored(db, small_company()) as mirror:
            for _ in range(2):
                await mirror.run(Mode.FULL, resource)
            seen.append(await read_seen(Retrier(db, clock=Clock()), resource))
            await db.execute("UPDATE pcd.leases SET term = nextval('pcd.lease_terms'), holder = 'the next'")
            await mirror.run(Mode.FULL, resource)

    with pytest.raises(LeaseLost):
        await lose_the_lease_and_walk_on()
    assert seen[0]
    assert await read_seen(Retrier(db, clock=Clock()), resource) == seen[0]


async def test_many_missing_records_wait_for_a_person(db: Database) -> None:
    """An upstream that serves a tenth of its data must not empty the mirror."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        items = mirror.sim.store["estimate_items"]
        victims = items.ids()[: len(items) // 2]
        for victim in victims:
            items.delete(victim)
        report = await mirror.run(Mode.FULL, "estimate_items")
        assert (report.total.gone, report.total.suspect) == (0, len(victims))
        report = await mirror.run(Mode.FULL, "estimate_items", accept_gone=True)
        assert report.total.gone == len(victims)


async def test_refused_token_starts_again_from_a_date(db: Database) -> None:
    """Nobody documents how long a continuation token lives."""
    async with mirrored(db, small_company(now=datetime.now(UTC))) as mirror:
        await mirror.run(Mode.FULL)
        mirror.sim.clock.advance(timedelta(hours=1))
        mirror.sim.epoch += 1
        jobs = mirror.sim.store["jobs"]
        jobs.change(jobs.ids()[0], summary="changed while the token was dying")
        report = await mirror.run(Mode.INCREMENTAL)
        assert report.is_complete
        assert not await mirror.differences()


@pytest.mark.parametrize("is_loaded", [False, True], ids=["first load", "later"])
async def test_refused_token_of_a_walk_that_was_cut_off_skips_nothing(db: Database, is_loaded: bool) -> None:
    """What the walk had not reached yet is older than the request that brought its last page."""
    store = small_company(now=datetime.now(UTC) - timedelta(days=1) * is_loaded)
    async with mirrored(db, store, settings=quick(export_page_size=20)) as mirror:
        jobs = mirror.sim.store["jobs"]
        if is_loaded:
            await mirror.run(Mode.FULL, "jobs")
            for job in jobs.ids():
                jobs.change(job, summary="changed while nobody read")
            mirror.sim.clock.advance(timedelta(days=1))
            long_ago = datetime.now(UTC) - timedelta(hours=25)
            await db.execute("UPDATE pcd.cursors SET plain_pass_at = $1, window_end = $1", long_ago)

        def cut_off(_resource: str, _part: Tally) -> None:
            mirror.sim.gate.revoked = frozenset({RESOURCES["jobs"].scope})

        request = Request(mode=Mode.INCREMENTAL, only=("jobs",))
        report = await mirror.syncer.run(request, lease=mirror.lease, progress=cut_off)
        assert 0 < report.total.written < len(jobs.ids())
        mirror.sim.gate.revoked = frozenset()
        mirror.sim.epoch += 1
        assert (await mirror.run(Mode.INCREMENTAL, "jobs")).is_complete
        assert "jobs" not in await mirror.differences()


async def test_failing_resource_fails_alone(db: Database) -> None:
    """A scope that was revoked concerns its resource and is said in the log that others read."""
    async with mirrored(db, small_company()) as mirror:
        mirror.sim.gate.revoked = frozenset({RESOURCES["payments"].scope})
        report = await mirror.run(Mode.FULL)
        failed = {part.resource for part in report.resources if part.error}
        assert failed == {"payments"}
        rows = await db.fetch("SELECT module, status, error_message FROM servicetitan.st_sync_log")
        status = {row["module"]: (row["status"], row["error_message"]) for row in rows}
        assert status["jobs"] == ("completed", None)
        assert status["payments"][0] == "failed"
        assert RESOURCES["payments"].scope in status["payments"][1]


async def test_log_sums_up_reference_data_as_the_old_one_did(db: Database) -> None:
    """Reports ask for that module name; an incremental sync has no such row."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        await mirror.run(Mode.INCREMENTAL)
        expected = sum(len(mirror.sim.store[name]) for name, each in RESOURCES.items() if each.reference)
    logged = "SELECT sync_type, status, records_created FROM servicetitan.st_sync_log WHERE module = $1"
    rows = await db.fetch(logged, "reference_data")
    assert [tuple(row) for row in rows] == [("full", "completed", expected)]


async def test_since_reads_again_from_that_day(db: Database) -> None:
    """A person who distrusts the cursors reads a week again, and the cursors stay."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        cursors = await db.fetch("SELECT resource, token FROM pcd.cursors ORDER BY resource")
        await db.execute("DELETE FROM servicetitan.st_jobs")
        since = mirror.sim.clock.now() - timedelta(days=60)
        report = await mirror.run(Mode.INCREMENTAL, "jobs", since=since)
        assert 0 < report.total.created < len(mirror.sim.store["jobs"])
        assert await db.fetch("SELECT resource, token FROM pcd.cursors ORDER BY resource") == cursors


async def test_paused_resource_is_left_alone(db: Database) -> None:
    """Until somebody resumes it."""
    async with mirrored(db, small_company()) as mirror:
        await db.execute("INSERT INTO pcd.pauses (name) VALUES ('jobs')")
        report = await mirror.run(Mode.FULL)
        assert "jobs" not in {part.resource for part in report.resources}


async def test_unknown_resource_is_answered_with_the_nearest(db: Database) -> None:
    """A typing error is a sentence, not a traceback."""
    async with mirrored(db, small_company()) as mirror:
        with pytest.raises(ControlError, match="did you mean estimates"):
            await mirror.run(Mode.FULL, "estimtes")


async def test_server_that_clamps_the_page_size_is_read_whole(db: Database) -> None:
    """Page numbers of one size and of another do not fit together."""
    async with mirrored(db, small_company(), settings=quick(max_page_size=40)) as mirror:
        assert (await mirror.run(Mode.FULL)).is_complete
        assert not await mirror.differences()


async def test_gaps_tell_what_is_missing_different_and_gone(db: Database) -> None:
    """Comparing changes nothing, neither rows nor cursors."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        jobs = mirror.sim.store["jobs"].ids()
        await db.execute("DELETE FROM servicetitan.st_jobs WHERE st_id = $1", jobs[0])
        await db.execute("UPDATE servicetitan.st_jobs SET summary = 'x' WHERE st_id = $1", jobs[1])
        await db.execute(
            "INSERT INTO servicetitan.st_jobs (st_id, tenant_id, full_data) VALUES (1, 1000, '{}')"
        )
        stamps = await mirror.stamps()
        (gap,) = await mirror.syncer.compare(["jobs"], lease=mirror.lease)
        assert (gap.upstream, gap.stored) == (len(jobs), len(jobs))
        assert (gap.missing, gap.differing_count, gap.gone) == ((jobs[0],), 1, (1,))
        assert not gap.is_closed
        assert await mirror.stamps() == stamps


async def test_configured_roles_tell_who_leads_a_job(db: Database) -> None:
    """A helper is never the primary technician of a job that has a lead."""
    async with mirrored(db, small_company()) as mirror:
        await mirror.run(Mode.FULL)
        technicians = mirror.sim.store["technicians"].ids()
    helpers = dict.fromkeys(technicians, "helper")
    leader = await db.fetchval(
        "SELECT technician_id FROM servicetitan.job_technicians GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    async with mirrored(db, small_company(), technician_roles=helpers | {leader: "lead"}) as mirror:
        await mirror.run(Mode.FULL)
    wrong = """
    SELECT count(*) FROM servicetitan.job_technicians AS led
    WHERE led.technician_id = $1 AND NOT EXISTS (
        SELECT FROM servicetitan.job_technicians AS primary_row
        WHERE primary_row.job_id = led.job_id AND primary_row.is_primary AND primary_row.technician_id = $1
    )
    """
    assert await db.fetchval(wrong, leader) == 0
    assert {"lead"} == {
        row["position"]
        for row in await db.fetch(
            "SELECT DISTINCT position FROM servicetitan.job_technicians WHERE technician_id = $1", leader
        )
    }
