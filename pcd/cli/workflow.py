"""``pcd workflow``: definitions and what runs by them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcd.cli import workflow_tables as tables
from pcd.cli import workflow_trial
from pcd.cli.context import ConfigOption, Group, JsonOption, known_id, load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.workflows.loader import Loaded
    from pcd.workflows.steward import Steward

app = typer.Typer(cls=Group, help="Check, try, watch and steer workflows.", no_args_is_help=True)
workflow_trial.register(app)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A workflow's name; `list` has them.")]
What = Annotated[str, typer.Argument(metavar="NAME|ID", help="A workflow, or an instance by its id.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An instance's id, or how it begins.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who come after.")]


@app.command("list")
def list_workflows(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the workflows: which are on, what starts them, how many instances stand where."""

    async def work(loaded: Config, db: Database) -> int:
        from pcd.workflows.finder import standings

        definitions = await _definitions(loaded, db)
        found = await standings(db, definitions)
        failures = [str(failure) for failure in definitions.failures]
        if as_json:
            print_json({"workflows": found, "failures": failures})
        else:
            print(tables.standings(found))
            for failure in failures:
                print(f"not used: {failure}")
        return 0

    _with_database(config, work)


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how the engine is: what is due, held, paused and dead."""

    async def work(_: Config, db: Database) -> int:
        from pcd.workflows import finder

        found = await finder.status(db)
        if as_json:
            print_json(found)
        else:
            print(tables.status(found))
        return 0

    _with_database(config, work)


@app.command()
def instances(
    workflow: Annotated[str, typer.Option("--workflow", metavar="NAME", help="Only of this one.")] = "",
    status: Annotated[
        str,
        typer.Option("--status", metavar="WORD", help="Only those: active, paused, failed ..."),
    ] = "",
    customer: Annotated[
        int | None, typer.Option("--customer", metavar="ID", callback=known_id, help="Only this one's.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="NUMBER", help="How many, the newest.")
    ] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List instances, the newest first; those of the old engine are paused until they are adopted."""

    async def work(_: Config, db: Database) -> int:
        from pcd.workflows import finder

        found = await finder.instances(
            db, workflow=workflow, status=status, customer_id=customer, limit=limit
        )
        if as_json:
            print_json(found)
        else:
            print(tables.instances(found) if found else "no instances")
        return 0

    _with_database(config, work)


@app.command()
def show(id_: Id, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one instance and every try of its steps."""

    async def work(_: Config, db: Database) -> int:
        from pcd.workflows import finder

        found = await finder.instance(db, id_)
        tried = await finder.tries(db, found.id)
        if as_json:
            print_json({"instance": found, "steps": tried})
        else:
            print(tables.instance(found, tried))
        return 0

    _with_database(config, work)


@app.command()
def enable(name: Name, config: ConfigOption = None) -> None:
    """Let a workflow start instances from now on."""
    _steer(config, lambda steward: steward.enable(name, is_enabled=True))


@app.command()
def disable(name: Name, config: ConfigOption = None) -> None:
    """Let a workflow start no more instances; those that it has go on."""
    _steer(config, lambda steward: steward.enable(name, is_enabled=False))


@app.command()
def pause(what: What, reason: Reason = "", config: ConfigOption = None) -> None:
    """Let a workflow, or one instance, stand still."""
    _steer(config, lambda steward: steward.pause(what, reason=reason))


@app.command()
def resume(what: What, config: ConfigOption = None) -> None:
    """Let a paused workflow, or one instance, go on."""
    _steer(config, lambda steward: steward.resume(what))


@app.command()
def retry(what: What, config: ConfigOption = None) -> None:
    """Try a dead letter, or all of a workflow, again from the step where it died."""
    _steer(config, lambda steward: steward.retry(what))


@app.command()
def cancel(id_: Id, reason: Reason = "cancelled by an operator", config: ConfigOption = None) -> None:
    """End an instance now."""
    _steer(config, lambda steward: steward.cancel(id_, reason=reason))


@app.command()
def adopt(id_: Id, config: ConfigOption = None) -> None:
    """Take over an instance that the old engine started."""
    _steer(config, lambda steward: steward.adopt(id_))


def _steer(config: Path | None, do: Callable[[Steward], Awaitable[str]]) -> None:
    """Have the steward do it, say what he says, and let a daemon that runs take note."""

    async def work(loaded: Config, db: Database) -> int:
        from pcd.control.client import connect_if_any
        from pcd.workflows.steward import Steward

        print(await do(Steward(db, await _definitions(loaded, db))))
        async with connect_if_any(loaded.daemon.control_socket) as client:
            if client is not None:
                await client.call("workflows.reload")
        return 0

    _with_database(config, work)


async def _definitions(config: Config, db: Database) -> Loaded:
    from pcd.actions import CATALOGUE
    from pcd.rehearsal.known import known
    from pcd.workflows.loader import load

    return await load(db, folder=config.workflows.definitions, known=await known(db, CATALOGUE, config))


def _with_database(path: Path | None, work: Callable[[Config, Database], Awaitable[int]]) -> None:
    with reporting():
        config = load_config(path)

    async def run() -> int:
        from pcd.app import opened
        from pcd.cli.progress import say
        from pcd.db.migrate import migrate

        async with opened(config, tell=say) as db:
            await migrate(db)
            return await work(config, db)

    run_async(run)
