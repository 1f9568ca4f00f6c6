"""An upstream that answers with anything at all: what can be stored is, the rest is kept with the reason."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import anyio
import orjson
import pytest
from support.mirroring import NOW, mirrored, quick

from pcd.sim.clock import SimClock
from pcd.sim.store import Store
from pcd.sync.request import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

GOOD = (1, 2, 4, 5)
BAD = 3
DEEP = 3000


def record(number: int, *, more: bytes = b'"name":"x"') -> bytes:
    return b'{"id":%d,"active":true,"modifiedOn":"2026-01-01T00:00:00Z",%s}' % (number, more)


def company(*, bad: bytes | None = None) -> Store:
    """Return five campaigns, of which the one in the middle is served as *bad*."""
    store = Store(clock=SimClock(NOW, speed=0.0))
    for number in sorted({*GOOD, BAD}):
        store["campaigns"].put({"id": number, "name": f"Campaign {number}", "active": True}, modified_at=NOW)
        store["jobs"].put({"id": number, "jobNumber": str(number), "active": True}, modified_at=NOW)
    for name in ("campaigns", "jobs"):
        if bad is not None:
            store[name].row(BAD).body = bad
    return store


SPOILED = {
    "NaN": (record(BAD, more=b'"total":NaN'), "invalid character"),
    "infinity": (record(BAD, more=b'"total":-Infinity'), "invalid character"),
    "half a surrogate pair": (record(BAD, more=rb'"name":"\ud800"'), "truncated"),
    "escaped NUL": (record(BAD, more=rb'"name":"a\u0000b"'), "PostgreSQL refuses it"),
    "raw NUL": (record(BAD, more=b'"name":"a\0b"'), "invalid character"),
    "raw control character": (record(BAD, more=b'"name":"a\x01b"'), "invalid character"),
    "raw separator": (record(BAD, more=b'"name":"a\x1eb"'), "invalid character"),
    "raw line feed": (record(BAD, more=b'"name":"a\nb"'), "invalid character"),
    "invalid UTF-8": (record(BAD, more=b'"name":"\xff\xfe"'), "not valid UTF-8"),
    "surrogates in UTF-8": (record(BAD, more=b'"name":"\xed\xa0\x80"'), "not valid UTF-8"),
    "nested deeply": (record(BAD, more=b'"name":%s%s' % (b"[" * DEEP, b"]" * DEEP)), "recursion"),
    "nested for PostgreSQL": (record(BAD, more=b'"name":%s%s' % (b"[" * 200, b"]" * 200)), ""),
    "trailing comma": (record(BAD, more=b'"name":"x",'), "trailing comma"),
    "leading zeros": (record(BAD, more=b'"total":007'), "invalid number"),
    "bad escape": (record(BAD, more=rb'"name":"\x41"'), "escape"),
    "number out of range": (record(BAD, more=b'"total":1e999999'), "PostgreSQL refuses it"),
    "date out of range": (record(BAD, more=b'"createdOn":"99999-99-99T00:00:00Z"'), "PostgreSQL refuses it"),
    "instant that is a number": (b'{"id":%d,"active":true,"modifiedOn":5}' % BAD, "modifiedOn"),
    "no id": (b'{"name":"x"}', "missing required field `id`"),
    "null id": (b'{"id":null}', "Expected `int`"),
    "text as id": (b'{"id":"3"}', "Expected `int`"),
    "fraction as id": (b'{"id":3.5}', "Expected `int`"),
    "id past 64 bits": (b'{"id":9223372036854775808}', "Expected `int`"),
    "id of a thousand digits": (b'{"id":' + b"9" * 1000 + b"}", "Expected `int`"),
    "null": (b"null", "Expected `object`"),
    "number": (b"17", "Expected `object`"),
    "text": (b'"id"', "Expected `object`"),
    "array": (b"[[],{}]", "Expected `object`"),
    "empty object": (b"{}", "missing required field `id`"),
}


async def stored(db: Database, table: str) -> list[int]:
    rows = await db.fetch(
        f"SELECT st_id FROM servicetitan.{table} WHERE st_deleted_at IS NULL ORDER BY st_id"
    )
    return [row["st_id"] for row in rows]


@pytest.mark.every_server
@pytest.mark.parametrize(("bad", "reason"), SPOILED.values(), ids=SPOILED)
async def test_record_that_cannot_be_stored_is_kept_with_the_reason_and_the_rest_goes_on(
    db: Database, bad: bytes, reason: str
) -> None:
    """Through an export and through a list."""
    async with mirrored(db, company(bad=bad)) as mirror:
        report = await mirror.run(Mode.FULL, "jobs", "campaigns")
        assert [part.error for part in report.resources] == ["", ""]
        for table, resource in (("st_jobs", "jobs"), ("st_campaigns", "campaigns")):
            kept = await db.fetch("SELECT * FROM pcd.quarantine WHERE resource = $1", resource)
            if not reason:
                assert await stored(db, table) == sorted({*GOOD, BAD})
                continue
            assert await stored(db, table) == list(GOOD)
            assert [reason in row["reason"] for row in kept] == [True], [row["reason"] for row in kept]


async def test_record_without_an_id_does_not_make_a_list_of_several_pages_look_incomplete(
    db: Database,
) -> None:
    """It cannot be noted as seen, but it is one of those that the list counts."""
    async with mirrored(db, company(bad=b"null"), settings=quick(max_page_size=2)) as mirror:
        report = await mirror.run(Mode.FULL, "campaigns")
        assert [part.error for part in report.resources] == [""]
        assert await stored(db, "st_campaigns") == list(GOOD)
        assert report.total.failed == 1


@pytest.mark.parametrize("bad", [bad for bad, reason in SPOILED.values() if reason])
async def test_row_whose_newer_state_cannot_be_stored_stays_and_is_not_called_gone(
    db: Database, bad: bytes
) -> None:
    """As long as the record tells whose state it is."""
    store = company()
    async with mirrored(db, store) as mirror:
        await mirror.run(Mode.FULL, "jobs", "campaigns")
        for name in ("jobs", "campaigns"):
            store[name].row(BAD).body = bad
        for _ in range(2):
            report = await mirror.run(Mode.FULL, "jobs", "campaigns")
            assert [part.error for part in report.resources] == ["", ""]
            is_told = bad.startswith(b'{"id":3,')
            assert (await stored(db, "st_jobs") == sorted({*GOOD, BAD})) >= is_told
            assert (await stored(db, "st_campaigns") == sorted({*GOOD, BAD})) >= is_told


async def test_quarantined_record_leaves_the_quarantine_when_it_is_mended(db: Database) -> None:
    store = company(bad=record(BAD, more=b'"total":NaN'))
    async with mirrored(db, store) as mirror:
        await mirror.run(Mode.FULL, "jobs")
        assert await db.fetchval("SELECT st_id FROM pcd.quarantine") == BAD
        store["jobs"].row(BAD).body = record(BAD)
        await mirror.run(Mode.FULL, "jobs")
        assert await stored(db, "st_jobs") == sorted({*GOOD, BAD})
        assert await db.fetchval("SELECT count(*) FROM pcd.quarantine") == 0


async def test_of_two_states_in_one_page_the_newer_stays(db: Database) -> None:
    newer = b'{"id":3,"summary":"newer","modifiedOn":"2026-01-02T00:00:00Z"}'
    older = b'{"id":3,"summary":"older","modifiedOn":"2026-01-01T00:00:00Z"}'
    async with mirrored(db, company(bad=newer + b"," + older)) as mirror:
        report = await mirror.run(Mode.FULL, "jobs")
        assert (report.total.failed, report.total.created) == (0, 5)
        assert await db.fetchval("SELECT summary FROM servicetitan.st_jobs WHERE st_id = 3") == "newer"


async def test_texts_of_megabytes_are_stored_whole(db: Database) -> None:
    """Values and names alike; what is noted about a name is short."""
    long = b"x" * 10_000_000
    bad = record(BAD, more=b'"summary":"%s","%s":1' % (long, long[:1_000_000]))
    async with mirrored(db, company(bad=bad)) as mirror:
        assert (await mirror.run(Mode.FULL, "jobs")).is_complete
        row = await db.fetchrow(
            "SELECT length(summary) AS summary, length(full_data::text) AS full_data "
            "FROM servicetitan.st_jobs WHERE st_id = 3"
        )
        assert row is not None
        assert row["summary"] == len(long)
        assert row["full_data"] > len(bad)
        assert await db.fetchval("SELECT max(length(name)) FROM pcd.surprises") <= 100


BODIES = {
    "random bytes": random.Random(1).randbytes(5000),
    "nothing": b"",
    "HTML": b"<html><body>Service temporarily happy</body></html>",
    "array": b"[]",
    "null": b"null",
    "another object": b'{"items":[{"id":1}]}',
    "no list": b'{"hasMore":false,"continueFrom":"x","page":1,"pageSize":500,"data":{"id":1}}',
    "torso": b'{"hasMore":false,"continueFrom":"x","page":1,"pageSize":500,"data":[{"id":1},{"id":',
    "open string": b'{"hasMore":false,"continueFrom":"x","data":[{"id":1,"name":"' + b"\\" * 99_999,
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_body_that_is_no_answer_fails_its_resource_alone_and_changes_nothing(
    db: Database, body: bytes
) -> None:
    store = company()
    async with mirrored(db, store) as mirror:
        await mirror.run(Mode.FULL)
        before = await mirror.stamps()
        mirror.sim.spoil = {"jobs": lambda _: body}
        report = await mirror.run(Mode.FULL)
        assert [part.resource for part in report.resources if part.error] == ["jobs"]
        assert await mirror.stamps() == before
        mirror.sim.spoil = {}
        assert (await mirror.run(Mode.FULL)).is_complete
        assert await mirror.stamps() == before


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"hasMore":true,"continueFrom":"again","data":[{"id":1}]}', id="the same page"),
        pytest.param(b'{"hasMore":true,"continueFrom":"again","data":[]}', id="empty pages"),
    ],
)
async def test_export_that_goes_in_circles_is_left(db: Database, body: bytes) -> None:
    async with mirrored(db, company()) as mirror:
        mirror.sim.spoil = {"jobs": lambda _: body}
        report = await mirror.run(Mode.FULL, "jobs")
        assert "does not move on" in report.resources[0].error


async def test_export_whose_end_names_no_token_is_not_read_from_the_beginning_again(db: Database) -> None:
    """The documents allow it, and a fresh pass comes every few seconds."""
    asked: list[str] = []

    def paged(params: Mapping[str, str]) -> bytes:
        asked.append(params.get("from", ""))
        if asked[-1] == "second":
            return b'{"hasMore":false,"continueFrom":null,"data":[%s]}' % record(2)
        return b'{"hasMore":true,"continueFrom":"second","data":[%s]}' % record(1)

    async with mirrored(db, company()) as mirror:
        mirror.sim.spoil = {"jobs": paged}
        await mirror.run(Mode.FULL, "jobs")
        assert asked == ["", "second", "second"]
        for mode in (Mode.FRESH, Mode.INCREMENTAL):
            await mirror.run(mode, "jobs")
        assert set(asked[3:]) == {"second"}


async def test_export_that_leads_on_and_on_without_a_record_is_left(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each token is a new one; a few such pages are an upstream's way to say that it is still looking."""
    monkeypatch.setattr("pcd.sync.pages._BARREN_PAGES", 30)
    tokens = itertools.count(1)

    def barren(_: Mapping[str, str]) -> bytes:
        return b'{"hasMore":true,"continueFrom":"%d","data":[]}' % next(tokens)

    async with mirrored(db, company()) as mirror:
        mirror.sim.spoil = {"jobs": barren}
        with anyio.fail_after(20):
            report = await mirror.run(Mode.FULL, "jobs", "campaigns")
        assert {part.resource: bool(part.error) for part in report.resources} == {
            "jobs": True,
            "campaigns": False,
        }
        assert "does not move on" in next(part.error for part in report.resources if part.error)


def last_page(params: Mapping[str, str]) -> bytes:
    echo = {name: int(params[name]) for name in ("page", "pageSize")}
    return orjson.dumps(echo | {"hasMore": True, "totalCount": 1, "data": [{"id": 1}]})


async def test_list_that_never_ends_is_left(db: Database) -> None:
    """It shows its last page for every page that is asked for, and always says that there is more."""
    async with mirrored(db, company()) as mirror:
        mirror.sim.spoil = {"campaigns": last_page}
        report = await mirror.run(Mode.FULL, "campaigns")
        assert "does not move on" in report.resources[0].error


RAISING = """
CREATE FUNCTION public.no_third() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    IF NEW.st_id = 3 THEN
        %s;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER no_third BEFORE INSERT ON servicetitan.st_jobs FOR EACH ROW EXECUTE FUNCTION public.no_third()
"""


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        pytest.param("RAISE EXCEPTION 'no third one here'", "no third one here", id="raises"),
        pytest.param(
            "RAISE EXCEPTION 'mine' USING ERRCODE = 'U0001'", "mine", id="raises a state of its own"
        ),
        pytest.param("ASSERT false, 'not so'", "not so", id="asserts"),
        pytest.param("SELECT 1 INTO STRICT found WHERE false", "no rows", id="finds nothing"),
        pytest.param("found := (SELECT * FROM generate_series(1, 2))", "more than one row", id="finds many"),
    ],
)
async def test_record_that_somebodys_trigger_refuses_is_kept_aside_and_the_rest_goes_on(
    db: Database, fails: str, reason: str
) -> None:
    """An adopted table may have triggers of the old system's."""
    await db.execute(RAISING % fails)
    async with mirrored(db, company()) as mirror:
        report = await mirror.run(Mode.FULL, "jobs", "campaigns")
        assert [part.error for part in report.resources] == ["", ""]
        assert await stored(db, "st_jobs") == list(GOOD)
        kept = await db.fetchrow("SELECT st_id, reason FROM pcd.quarantine")
        assert kept is not None
        assert (kept["st_id"], reason in kept["reason"]) == (BAD, True)


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        pytest.param("DROP COLUMN summary", "a column is missing", id="dropped"),
        pytest.param("ALTER COLUMN pcd_modified TYPE varchar(40)", "", id="result retyped"),
        pytest.param("ALTER COLUMN summary TYPE int USING NULL", "another type than expected", id="retyped"),
    ],
)
async def test_table_that_somebody_changes_under_way_costs_its_resource_one_pass_at_most(
    db: Database, change: str, trouble: str
) -> None:
    store = company()
    async with mirrored(db, store) as mirror:
        await mirror.run(Mode.FULL, "jobs", "campaigns")
        await db.execute("ALTER TABLE servicetitan.st_jobs DISABLE TRIGGER USER")
        await db.execute("DROP TRIGGER pcd_foreign_write ON servicetitan.st_jobs")
        await db.execute(f"ALTER TABLE servicetitan.st_jobs {change}")
        newer = b'{"id":3,"jobNumber":"another","summary":"7","modifiedOn":"2027-01-01T00:00:00Z"}'
        store["jobs"].row(BAD).body = newer
        report = await mirror.run(Mode.FULL, "jobs", "campaigns")
        errors = {part.resource: part.error for part in report.resources}
        assert errors["campaigns"] == ""
        assert trouble in errors["jobs"]
        assert (await mirror.run(Mode.FULL, "jobs", "campaigns")).is_complete
        number = await db.fetchval("SELECT job_number FROM servicetitan.st_jobs WHERE st_id = $1", BAD)
        assert number == "another"
