"""What `pcd workflow test` and `validate` say of a workflow that people switch on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.daemons import Home

from pcd.actions import CATALOGUE
from pcd.config import Config
from pcd.rehearsal.known import known
from pcd.workflows.loader import load
from pcd.workflows.steward import Steward
from pcd.workflows.switches import Switch, read_switches

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

NAME = "Payment Tracking"


async def steward_of(db: Database) -> Steward:
    return Steward(db, await load(db, folder=None, known=await known(db, CATALOGUE, Config())))


async def told(home: Home) -> tuple[str, str]:
    """Return how `test` ends, and the line of `validate`."""
    tried, validated = [await home.command("workflow", *words) for words in (("test", NAME), ("validate",))]
    assert (tried.code, validated.code) == (0, 0), tried.err + validated.err
    _, after = tried.out.split("messages: ")
    return after, next(line for line in validated.out.splitlines() if line.startswith(NAME))


async def test_commands_say_who_switched_a_workflow_on_or_off(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    steward = await steward_of(db)
    ending, line = await told(home)
    assert f"switched off, by its definition; `pcd workflow enable '{NAME}'`" in ending
    assert "  off by definition  " in line
    await steward.enable(NAME, is_enabled=True)
    ending, line = await told(home)
    assert f"switched on, by `pcd workflow enable`; `pcd workflow disable '{NAME}'`" in ending
    assert "paused" not in ending
    assert "  on by command  " in line
    await steward.enable(NAME, is_enabled=False)
    await steward.pause(NAME, reason="holiday")
    ending, line = await told(home)
    assert "switched off, by `pcd workflow disable`;" in ending
    assert f"It is paused: what it starts waits until `pcd workflow resume '{NAME}'`." in ending
    assert "  off by command, paused  " in line
    found = (await home.command("workflow", "test", NAME, "--json")).json
    assert (found["enabled"], found["enabled_by"], found["paused"]) == (False, "command", True)


async def test_file_is_switched_by_its_name(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    path = tmp_path / "mine.toml"
    path.write_text(
        f'name = "{NAME}"\nenabled = true\n[trigger]\nevent = "job_completed"\n'
        '[[steps]]\naction = "upsert_contact"\n'
    )
    ending = await home.command("workflow", "test", "--file", str(path))
    assert "switched on, by its definition" in ending.out
    await (await steward_of(db)).enable(NAME, is_enabled=False)
    found = (await home.command("workflow", "validate", str(path), "--json")).json
    assert [(one["enabled"], one["enabled_by"]) for one in found["good"]] == [(False, "command")]


async def test_pause_alone_leaves_the_switch_to_the_definition(db: Database) -> None:
    await (await steward_of(db)).pause(NAME, reason="")
    assert await read_switches(db) == {NAME: Switch(is_enabled=None, is_paused=True)}


async def test_database_that_was_never_migrated_has_nothing_to_say(db: Database) -> None:
    await db.execute("DROP TABLE automation.workflow_switches")
    assert await read_switches(db) == {}
