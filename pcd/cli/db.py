"""``pcd db``: the database itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcd.cli.context import ConfigOption, Group, JsonOption, load_config, reporting
from pcd.cli.running import run_async

if TYPE_CHECKING:
    from pcd.config import Config

app = typer.Typer(cls=Group, help="Migrate, show, dump and restore the database.", no_args_is_help=True)

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


@app.command(short_help="Bring the database up to date.")
def migrate(config: ConfigOption = None) -> None:
    """Bring the database to the shape that this version needs; a second time changes nothing."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.db.migrate import migrate as bring_up_to_date

        async with opened(loaded, tell=_tell) as db:
            steps = await bring_up_to_date(db, on_step=_tell)
        print(f"The database is up to date; {steps} steps were needed." if steps else "It was up to date.")
        return 0

    run_async(work)


@app.command(short_help="Show the server, the migrations, who holds what.")
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the server, the migrations, who holds what. Starts no embedded server."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        found = await _look(loaded)
        if as_json:
            print(json.dumps(found, indent=2, default=str))
        else:
            print("\n".join(_described(found)))
        return 0

    run_async(work)


@app.command(short_help="Print the connection URL; starts nothing.")
def url(
    config: ConfigOption = None,
    show_password: Annotated[bool, typer.Option("--show-password", help="Do not mask it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the connection URL in use, percent-encoded. Starts nothing."""
    from pcd.config import urls

    with reporting():
        found = _url(load_config(config))
    shown = found if show_password else urls.mask(found)
    print(json.dumps({"url": shown}) if as_json else shown)


@app.command(short_help="Write a dump, also while the daemon runs.")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the dump goes.")],
    config: ConfigOption = None,
    force: Force = False,
) -> None:
    """Write a dump of the whole database, also while the daemon runs."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.db.backup import backup as dump

        async with opened(loaded, tell=_tell) as db:
            stored = await db.fetchval("SELECT pg_database_size(current_database())")
            _tell(f"writing a database of {_size(stored)} to {file} ...")
            size = await dump(db.url, file, overwrite=force)
        print(f"{file}: {_size(size)}")
        return 0

    run_async(work)


@app.command(short_help="Bring back what a dump holds.")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A dump of `pcd db backup`.")],
    config: ConfigOption = None,
    force: Force = False,
) -> None:
    """Make the database what it was when the dump was written, whole or not at all. Stop the daemon first."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.db.backup import restore as bring_back

        grants = bool(loaded.database.url)
        async with opened(loaded, tell=_tell) as db:
            await bring_back(db.url, file.absolute(), overwrite=force, keep_grants=grants, on_step=_tell)
        print(f"{file} is restored. The next start brings its tables up to date.")
        return 0

    run_async(work)


@app.command()
def detach(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Take every trigger and function of ours out of the database; tables and rows stay."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.changes import armer

        async with opened(loaded, tell=_tell) as db:
            removed = await armer.detach(db)
        if as_json:
            print(json.dumps({"triggers": removed.triggers, "functions": removed.functions}, indent=2))
            return 0
        for item in (*removed.triggers, *(f"pcd.{name}()" for name in removed.functions)):
            print(item)
        print(f"{len(removed.triggers)} triggers and {len(removed.functions)} functions are removed.")
        print("Changes are not captured and make no events until `pcd db attach`.")
        return 0

    run_async(work)


@app.command()
def attach(config: ConfigOption = None) -> None:
    """Undo `pcd db detach`: capture changes again. What changed meanwhile makes no events."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.changes import armer, keeper
        from pcd.db.migrate import migrate as bring_up_to_date
        from pcd.mirroring import mirrored

        async with opened(loaded, tell=_tell) as db:
            await bring_up_to_date(db, on_step=_tell)
            await armer.attach(db)
            await bring_up_to_date(db, on_step=_tell)
            await keeper.prepare(db, mirrored(loaded).values())
        print("Changes are captured again; of tables that are still loading, once they are loaded.")
        return 0

    run_async(work)


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB" if count >= 1_000_000 else f"{count / 1_000:,.0f} kB"


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _url(config: Config) -> str:
    if config.database.url:
        return config.database.url.reveal()
    from pcd.db.embedded import Embedded

    return Embedded(config.daemon.data_dir).url()


async def _look(config: Config) -> dict[str, Any]:
    from pcd.app import opened
    from pcd.config import urls
    from pcd.db import leases
    from pcd.db.embedded import Embedded
    from pcd.db.migrate import status as migrations

    where = {"url": urls.mask(_url(config)), "embedded": not config.database.url}
    if not config.database.url and not Embedded(config.daemon.data_dir).is_running():
        return {**where, "running": False}
    async with opened(config, tell=_tell) as db:
        version = await db.fetchval("SELECT current_setting('server_version')")
        size = await db.fetchval("SELECT pg_database_size(current_database())")
        applied = [
            {"number": each.number, "name": each.name, "applied_at": each.applied_at}
            for each in await migrations(db)
        ]
        found = {**where, "running": True, "server": version, "bytes": size, "migrations": applied}
        if all(each["applied_at"] for each in applied):
            held = [each for each in await leases.read(db) if each.is_live]
            found["leases"] = [{"name": each.name, "holder": each.holder} for each in held]
            rows = await db.fetch("SELECT relation, item FROM pcd.relaxed ORDER BY relation, item")
            found["relaxed"] = [f"{row['relation']}: {row['item']}" for row in rows]
        return found


def _described(found: dict[str, Any]) -> list[str]:
    kind = "embedded PostgreSQL" if found["embedded"] else "PostgreSQL"
    if not found["running"]:
        return [f"{kind}, not running: {found['url']}"]
    lines = [f"{kind} {found['server']}, {_size(found['bytes'])}: {found['url']}"]
    for each in found["migrations"]:
        when = f"{each['applied_at']:%Y-%m-%d %H:%M} UTC" if each["applied_at"] else "not applied"
        lines.append(f"  {each['number']:04} {each['name']:<20} {when}")
    if any(each["applied_at"] is None for each in found["migrations"]):
        lines.append("Run `pcd db migrate`; the daemon does so when it starts.")
    lines += [f"lease {each['name']}: {each['holder']}" for each in found.get("leases", [])]
    if found.get("relaxed"):
        lines.append(
            f"relaxed in adopted tables: {len(found['relaxed'])} constraints (pcd.relaxed has the way back)"
        )
    return lines
