"""Beside the old worker: what we would have done that it did not, and the reverse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.selling import selling

from pcd.cli import ghl_words
from pcd.crm import explainer, preview

if TYPE_CHECKING:
    from pathlib import Path

    from support.selling import Selling

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

LONG_AGO = datetime.now(UTC) - timedelta(days=400)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a terminal that shows tables whole."""
    monkeypatch.setenv("COLUMNS", "300")


class OldWorker:
    """Writes to GoHighLevel what the old worker wrote.

    Source: the old worker's code, its calls and their bodies. It sent its field by the key, which
    GoHighLevel's contract does not know, so a contact may carry our id or not.
    """

    def __init__(self, company: Selling) -> None:
        self._company = company
        self._client = company.works.client

    async def contact(self, st_id: int, *, is_marked: bool = False, **fields: str) -> str:
        """Make a contact as its first step does, under the customer's e-mail and phone unless told."""
        given = fields or {"email": f"c{st_id}@example.com", "phone": f"813{2_340_000 + st_id}"}
        marked = {"customFields": [{"key": "st_customer_id", "field_value": str(st_id)}]} if is_marked else {}
        made = await self._client.create_contact(
            {"firstName": "Heron", "lastName": f"Court {st_id}", "source": "ServiceTitan", **given, **marked}
        )
        return made.id

    async def opportunity(
        self, contact_id: str, stage: str = "Contacted", *, name: str = "Heron Court"
    ) -> str:
        """Open an opportunity in a stage."""
        pipeline, found = next(
            (pipeline.id, each.id)
            for pipeline in self._company.sim.settings.pipelines
            for each in pipeline.stages
            if each.name == stage
        )
        made = await self._client.create_opportunity(
            {
                "pipelineId": pipeline,
                "pipelineStageId": found,
                "contactId": contact_id,
                "name": f"{name} - New Customer Qualifying",
                "status": "open",
                "monetaryValue": 0,
            }
        )
        return made.id


@pytest.mark.parametrize("is_marked", [True, False], ids=["our id", "without our id"])
async def test_what_both_would_do_is_no_difference(db: Database, tmp_path: Path, is_marked: bool) -> None:
    async with selling(db, tmp_path, dry_run=True) as company:
        await company.customer(1)
        old = OldWorker(company)
        await old.opportunity(await old.contact(1, is_marked=is_marked), name="Heron Court 1")
        told = await _compare(company)
        calls = [each for each in told["differences"] if each["what"] == "call"]
        assert [list(call["ours"]) for call in calls] == (
            [] if is_marked else [["customFields.ctStCustomerId000001"]]
        )
        assert told["made_there"] == {"contacts": [], "opportunities": []}


async def test_what_the_old_worker_left_undone_is_listed_as_calls(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, dry_run=True) as company:
        for st_id in (2, 3):
            await company.customer(st_id)
        await company.estimate(3, 3, total=800)
        old = OldWorker(company)
        await old.opportunity(await old.contact(3))
        told = await _compare(company)
        calls = [
            (each["customer_id"], each["call"]) for each in told["differences"] if each["what"] == "call"
        ]
        assert set(calls) >= {(2, "create_contact"), (2, "create_opportunity"), (3, "update_opportunity")}
        assert told["made_there"] == {"contacts": [], "opportunities": []}
        assert "stage: Contacted → Appointment Completed - Proposal Sent" in ghl_words.drift(told)


async def test_what_the_old_worker_did_and_we_would_not_is_listed(db: Database, tmp_path: Path) -> None:
    """With and without our own id, known by e-mail, by any phone in any spelling, or only by their source."""
    async with selling(db, tmp_path, dry_run=True, begun=False) as company:
        await company.customer(9, created=LONG_AGO, email=None, phone="(813) 234-0009")
        await company.customer(10, created=LONG_AGO, email="C10@Example.com", phone=None)
        other = '[{"value": "813-234-0099", "type": "Phone"}]'
        await company.customer(11, created=LONG_AGO, email=None, phone=None, phone_numbers=other)
        await company.detection.events()
        await company.works.marker.begin()
        await company.works.premises.refresh(db)
        old = OldWorker(company)
        nine = await old.contact(9, phone="+18132340009")
        card = await old.opportunity(nine)
        ten = await old.contact(10, email="c10@example.com")
        eleven = await old.contact(11, phone="+18132340099")
        stranger = await old.contact(77, email="nobody@example.com")
        marked = await old.contact(12, is_marked=True, email="c12@example.com")
        await company.works.client.create_contact({"email": "lead@example.com", "source": "website"})
        told = await _compare(company)
        assert told["differences"] == []
        contacts = {
            each["ghl_id"]: (each["customer_id"], each["known_by"], each["takes_part"])
            for each in told["made_there"]["contacts"]
        }
        assert contacts == {
            nine: (9, "phone", False),
            ten: (10, "e-mail", False),
            eleven: (11, "phone", False),
            stranger: (None, "source ServiceTitan", False),
            marked: (12, "our id", False),
        }
        assert [(each["ghl_id"], each["customer_id"]) for each in told["made_there"]["opportunities"]] == [
            (card, 9)
        ]
        text = ghl_words.drift(told)
        assert "unknown" in text
        assert "takes no part" in text


async def test_second_contact_and_second_opportunity_are_listed(db: Database, tmp_path: Path) -> None:
    """A crash of the old worker's between two calls leaves them."""
    async with selling(db, tmp_path, dry_run=True) as company:
        await company.customer(4)
        old = OldWorker(company)
        first = await old.contact(4)
        left = await old.opportunity(first)
        await old.opportunity(first, "Estimate Approved / Job Created")
        second = await old.contact(4, email="c4.heron@example.com")
        told = await _compare(company)
        assert [each["ghl_id"] for each in told["made_there"]["opportunities"]] == [left]
        assert [(each["ghl_id"], each["customer_id"]) for each in told["made_there"]["contacts"]] == [
            (second, None)
        ]


async def test_our_own_work_is_nobody_elses(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.estimate(1, 7, total=800)
        await company.settle()
        told = await _compare(company)
        assert told == {"differences": [], "made_there": {"contacts": [], "opportunities": []}}


async def _compare(company: Selling) -> dict[str, Any]:
    """Return what the comparison says once our copies are up to date."""
    await company.works.puller.pull(full=True, by="test")
    await company.works.premises.refresh(company.db)
    await company.catch_up()
    premises = company.works.premises
    found = [each async for each in preview.differences(company.db, premises)]
    return {"differences": found, "made_there": await explainer.made_there(company.db, premises)}
