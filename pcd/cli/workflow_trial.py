"""``pcd workflow validate|facts|test|backtest``: definitions before they are used."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcd.cli.context import MISCONFIGURED, ConfigOption, JsonOption, load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json, table
from pcd.cli.sync import parse_since
from pcd.errors import ConfigError, ControlError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.loader import Loaded
    from pcd.workflows.switches import Switch
    from pcd.workflows.workflow import Workflow

Name = Annotated[str, typer.Argument(metavar="NAME", help="A workflow's name; `pcd workflow list` has them.")]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="PATH", help="The definition in this file, not the one in use."),
]
Given = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FACT=VALUE", help="A fact as it should be, such as estimate.total=2500."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command("validate")(validate)
    app.command("facts")(facts)
    app.command("actions")(actions)
    app.command("test")(try_out)
    app.command("backtest")(backtest)


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Only these files; without any, all there are."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the definitions and say what is wrong with which, and where. Changes nothing."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        async with _database(loaded) as db:
            found = await (_of_files(loaded, paths, db) if paths else _load(loaded, db))
        if as_json:
            print_json({"good": _summaries(found), "bad": _failures(found)})
        else:
            _print_validated(found, loaded)
        return MISCONFIGURED if found.failures else 0

    run_async(work)


def facts(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for documents.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what conditions and texts may speak of, and where each fact is from."""
    del config  # every command takes it; this one only tells what is declared
    from pcd.workflows.facts import describe

    rows = describe.rows()
    if as_json:
        print_json([row._asdict() for row in rows])
    elif markdown:
        print(describe.markdown(rows), end="")
    else:
        print(table(("fact", "kind", "where from", "default", "meaning"), rows))


def actions(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for documents.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what steps can do, and what each action must be told."""
    del config  # every command takes it; this one only tells what is declared
    from pcd.actions import CATALOGUE
    from pcd.workflows import describe

    rows = describe.rows(CATALOGUE)
    if as_json:
        print_json([row._asdict() for row in rows])
    elif markdown:
        print(describe.markdown(rows), end="")
    else:
        print(table(("action", "parameters", "meaning"), rows))


def try_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workflow; empty with --file.")] = "",
    *,
    event: Annotated[
        str, typer.Option("--event", metavar="ID", help="A recorded event; without it one is made up.")
    ] = "",
    given: Given = None,
    file: File = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a workflow against a simulated clock and print what it would do, say and skip. Sends nothing."""
    with reporting():
        loaded = load_config(config)
        values = _given(given or [])

    async def work() -> int:
        from pcd.clock import Clock
        from pcd.rehearsal.rehearser import Rehearser, pretend

        clock = Clock()
        async with _database(loaded, needed=bool(event)) as db:
            workflow, switch = await _one(loaded, db, name, file)
            if event:
                assert db is not None
                trial = await Rehearser(loaded, db, clock=clock).rehearse(workflow, event, values)
            else:
                trial = pretend(workflow, values, config=loaded, now=clock.now())
        if as_json:
            print_json(
                {
                    "workflow": workflow.name,
                    **_switched(workflow, switch),
                    "refusal": trial.refusal,
                    "timeline": trial.timeline,
                }
            )
        else:
            from pcd.cli import workflow_words as words

            print(words.trial(workflow, switch, trial, zone=loaded.daemon.timezone))
        return 0 if trial.timeline is not None else 1

    run_async(work)


def backtest(
    name: Name = "",
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help='From then on: 2026-05-01, "30d".')
    ] = "30d",
    file: File = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a workflow would have done to recorded history: how many messages, to whom, when."""
    with reporting():
        loaded = load_config(config)
        start = parse_since(since, now=datetime.now().astimezone(), zone=loaded.daemon.timezone)
        if start is None:
            raise ConfigError('--since: say from when on, such as "30d" or 2026-05-01')

    async def work() -> int:
        from pcd.clock import Clock
        from pcd.rehearsal.rehearser import Rehearser

        clock = Clock()
        async with _database(loaded, needed=True) as db:
            assert db is not None
            workflow, _ = await _one(loaded, db, name, file)
            found = await Rehearser(loaded, db, clock=clock).backtest(workflow, since=start)
        if as_json:
            print_json(found)
        else:
            from pcd.cli import workflow_words as words

            print(words.backtest(found, zone=loaded.daemon.timezone))
        return 0

    run_async(work)


async def _load(config: Config, db: Database | None) -> Loaded:
    from pcd.actions import CATALOGUE
    from pcd.rehearsal.known import known
    from pcd.workflows.loader import load

    return await load(db, folder=config.workflows.definitions, known=await known(db, CATALOGUE, config))


async def _of_files(config: Config, paths: list[Path], db: Database | None) -> Loaded:
    from pcd.actions import CATALOGUE
    from pcd.rehearsal.known import known
    from pcd.workflows.loader import load_files

    found = load_files(paths, known=await known(db, CATALOGUE, config))
    return found if db is None else await found.under(db)


async def _one(config: Config, db: Database | None, name: str, file: Path | None) -> tuple[Workflow, Switch]:
    """Return the workflow that is meant, and what was said of it by command.

    Raises ControlError, or the DefinitionError of a bad one.
    """
    if file is not None:
        found = await _of_files(config, [file], db)
        if found.failures:
            raise found.failures[0]
        return found.workflows[0], found.switch(found.workflows[0].name)
    found = await _load(config, db)
    workflow = found.get(name)
    if workflow is None:
        from pcd.workflows.sheet import nearest

        bad = next((failure for failure in found.failures if failure.source == f"row {name}"), None)
        if bad is not None:
            raise bad
        hint = nearest(name, [one.name for one in found.workflows])
        raise ControlError(f"there is no workflow {name!r}; {hint}", code="unknown_name")
    return workflow, found.switch(name)


@asynccontextmanager
async def _database(config: Config, *, needed: bool = False) -> AsyncGenerator[Database | None]:
    """Yield the database; where it is not *needed* and not there yet, None."""
    from pcd.app import opened
    from pcd.cli.progress import say

    is_there = bool(config.database.url) or (config.daemon.data_dir / "postgres").exists()
    if not (needed or is_there):
        yield None
        return
    async with opened(config, tell=say) as db:
        yield db


def _given(pairs: list[str]) -> Mapping[str, Value]:
    from pcd.workflows.facts.catalogue import FACTS
    from pcd.workflows.facts.names import is_open, unknown
    from pcd.workflows.imagine import read_given

    found = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise ConfigError(f"--set: found {pair!r}, expected FACT=VALUE")
        if name not in FACTS and not is_open(name):
            raise ConfigError(f"--set: {unknown(name).message}")
        found[name] = read_given(name, text)
    return found


def _summaries(found: Loaded) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "version": one.version,
            "source": one.source,
            "event": one.trigger.event,
            "steps": len(one.steps),
            **_switched(one, found.switch(one.name)),
        }
        for one in found.workflows
    ]


def _switched(workflow: Workflow, switch: Switch) -> dict[str, Any]:
    return {"enabled": workflow.is_enabled, "enabled_by": switch.source, "paused": switch.is_paused}


def _failures(found: Loaded) -> list[dict[str, Any]]:
    return [{"source": one.source, "problems": list(one.problems)} for one in found.failures]


def _print_validated(found: Loaded, config: Config) -> None:
    from pcd.cli import workflow_words as words
    from pcd.rehearsal.known import unset
    from pcd.rehearsal.rehearser import business_of

    rows = [
        (one.name, one.trigger.event, len(one.steps), words.switch(one, found.switch(one.name)), one.source)
        for one in found.workflows
    ]
    if rows:
        print(table(("workflow", "starts with", "steps", "", "from"), rows))
    for hidden in found.hidden:
        print(f"{hidden.source} is hidden by another definition of {hidden.name!r}.")
    for one in found.workflows:
        if keys := unset(one, business_of(config)):
            told = " and ".join(f"business.{key}" for key in keys)
            print(f"{one.name} mentions {told}: set before it is switched on, or its messages fail.")
    for failure in found.failures:
        print(f"\n{failure.source} is not used:")
        for problem in failure.problems:
            print(f"  {problem}")
