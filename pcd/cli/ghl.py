"""``pcd ghl``: what stands in GoHighLevel, what should, and bringing the one to the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcd.cli import ghl_words as words
from pcd.cli.context import ConfigOption, Group, JsonOption, known_id, load_config, reporting
from pcd.cli.ghl_reach import ask_or_do, asking, read
from pcd.cli.running import run_async
from pcd.cli.show import print_json
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.config import Config
    from pcd.crm.premises import Premises
    from pcd.db.pool import Database

app = typer.Typer(cls=Group, help="Keep GoHighLevel in step, and see where it is not.", no_args_is_help=True)

_COLLECTIONS = {
    "contacts": ("contacts",),
    "opportunities": ("opportunities",),
    "estimates": (),
    "all": ("contacts", "opportunities"),
}

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help='How old work under way may be: 2026-05-01, "180d".')
]


@app.command()
def sync(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="contacts, opportunities, estimates or all.")],
    *,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")] = False,
    dry_run: DryRun = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pull contacts and opportunities into the database; push what follows from the week's estimates."""
    if what not in _COLLECTIONS:
        raise typer.BadParameter(f"found {what!r}, expected one of {', '.join(_COLLECTIONS)}")

    async def work(loaded: Config) -> int:
        from pcd.clock import Clock
        from pcd.crm.clerk import RECENT

        told: dict[str, Any] = {}
        pulled = _COLLECTIONS[what]
        if pulled and dry_run:
            told |= {"would_pull": await _would_pull(loaded, pulled, full=full)}
        elif pulled:
            params = {"collections": pulled, "full": full}
            told |= await ask_or_do(loaded, "ghl.pull", params, lambda clerk: clerk.pull(pulled, full=full))
        if what in {"estimates", "all"}:
            since = Clock().now() - RECENT
            if dry_run:
                told |= {"calls": await read(loaded, lambda db, premises: _would_push(db, premises, since))}
            else:
                params = {"since": since.isoformat()}
                told |= await ask_or_do(loaded, "ghl.push", params, lambda clerk: clerk.push(since))
        _tell(told, words.synced, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def reconcile(*, dry_run: DryRun = False, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Do the five-minute pass now."""

    async def work(loaded: Config) -> int:
        if dry_run:
            found = await read(loaded, _differences)
            _tell([each for each in found if each["what"] == "call"], words.differences, as_json=as_json)
        else:
            done = await ask_or_do(loaded, "ghl.reconcile", {}, lambda clerk: clerk.reconcile())
            _tell(done, words.passed, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look at the token, its rights, the subaccount, pipelines and fields; writes nothing."""

    async def work(loaded: Config) -> int:
        from pcd.ghl.checker import check as look

        async with asking(loaded) as (_, client):
            sends = "ghl" in {loaded.messaging.sms, loaded.messaging.email}
            found = await look(client, sends_messages=sends and loaded.messaging.mode == "live")
        _tell([asdict(each) for each in found], words.findings, as_json=as_json)
        return 0 if all(each.ok for each in found) else 1

    _run(config, work)


@app.command()
def backfill(
    *,
    since: Since = "180d",
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="NUMBER", min=1, max=1_000_000, help="At most so many customers."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only counts and costs.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in the customers from before GoHighLevel was enabled: first what it would do and cost."""

    async def work(loaded: Config) -> int:
        from pcd.cli.sync import parse_since
        from pcd.clock import Clock

        at = parse_since(since, now=Clock().now(), zone=loaded.daemon.timezone)
        if at is None:
            raise ConfigError("--since: expected a date or a length of time such as 180d")
        params = {"since": at.isoformat(), "most": limit}
        if not yes:
            cost = await ask_or_do(
                loaded,
                "ghl.preview_backfill",
                params,
                lambda clerk: clerk.preview_backfill(since=at, most=limit),
                sends=False,
            )
            _tell(cost, words.cost, as_json=as_json)
            return 0
        done = await ask_or_do(
            loaded, "ghl.backfill", params, lambda clerk: clerk.backfill(since=at, most=limit)
        )
        _tell(done, words.backfilled, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def drift(
    *,
    customer: Annotated[
        int | None, typer.Option("--customer", metavar="ID", callback=known_id, help="Only this one.")
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Add what others made there, and we would not have.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare both systems and list every difference with the rule that would mend it; writes nothing.

    It compares with our copies: `pcd ghl sync contacts` and `opportunities` bring them up to date.
    """

    async def work(loaded: Config) -> int:
        from pcd.crm import explainer

        async def look(db: Database, premises: Premises) -> dict[str, Any]:
            found = await _differences(db, premises, customer_id=customer)
            told: dict[str, Any] = {"differences": found}
            if shadow:
                told["made_there"] = await explainer.made_there(db, premises, customer_id=customer)
            return told

        _tell(await read(loaded, look), words.drift, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def conflicts(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the customers of whom it is not certain which contact is theirs."""

    async def work(loaded: Config) -> int:
        from pcd.crm import explainer

        found = await read(loaded, lambda db, _: explainer.conflicts(db))
        _tell(found, words.conflicts, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def link(
    customer: Annotated[
        int, typer.Argument(metavar="CUSTOMER", callback=known_id, help="ServiceTitan's id.")
    ],
    contact: Annotated[str, typer.Argument(metavar="CONTACT", help="GoHighLevel's id.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide a conflict: this contact is that customer."""

    async def work(loaded: Config) -> int:
        params = {"customer_id": customer, "contact_id": contact}
        done = await ask_or_do(loaded, "ghl.link", params, lambda clerk: clerk.link(customer, contact))
        _tell(done, words.linked, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", callback=known_id, help="These; all by default.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send calls again that were given up."""

    async def work(loaded: Config) -> int:
        wanted = ids or []
        done = await ask_or_do(loaded, "ghl.retry", {"ids": wanted}, lambda clerk: clerk.retry(wanted))
        _tell(done, words.retried, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how it stands: what is owed, what was given up, how current our copies are."""

    async def work(loaded: Config) -> int:
        from pcd.crm import explainer, outbox
        from pcd.crm.switch import Switch

        async def look(db: Database, premises: Premises) -> dict[str, Any]:
            found = await explainer.status(db, premises, Switch(loaded.ghl))
            return found | {"dead": await outbox.dead(db, limit=10)}

        _tell(await read(loaded, look), words.status, as_json=as_json)
        return 0

    _run(config, work)


@app.command()
def units(
    unit: Annotated[
        int | None, typer.Argument(metavar="[UNIT]", callback=known_id, help="A business unit's id.")
    ] = None,
    pipeline: Annotated[
        str, typer.Argument(metavar="[PIPELINE]", help='A pipeline\'s id; "none" takes the unit out.')
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whose estimates are pushed, or set it for one unit. While no unit is set, all take part."""

    async def work(loaded: Config) -> int:
        from pcd.crm import explainer

        if unit is not None and pipeline:
            wanted = None if pipeline == "none" else pipeline
            params = {"unit_id": unit, "pipeline_id": wanted}
            await ask_or_do(loaded, "ghl.unit", params, lambda clerk: clerk.set_unit(unit, wanted))
        found = await read(loaded, lambda db, _: explainer.units(db))
        _tell(found, words.units, as_json=as_json)
        return 0

    _run(config, work)


def switch(config: Path | None, *, is_live: bool, as_json: bool) -> None:
    """Go live, or back to recording only."""

    async def work(loaded: Config) -> int:
        params = {"is_live": is_live}
        done = await ask_or_do(loaded, "ghl.switch", params, lambda clerk: clerk.switch(is_live=is_live))
        _tell(done, words.switched, as_json=as_json)
        return 0

    _run(config, work)


def explain(config: Path | None, *, customer: int, as_json: bool) -> None:
    """Tell everything about one customer."""

    async def work(loaded: Config) -> int:
        from pcd.crm import explainer
        from pcd.messages import explainer as messages

        async def look(db: Database, premises: Premises) -> dict[str, Any]:
            found = await explainer.explain(db, premises, customer)
            return found | await messages.explain(db, customer)

        def describe(found: dict[str, Any]) -> str:
            return f"{words.explained(found)}\n{messages.described(found)}".rstrip()

        _tell(await read(loaded, look), describe, as_json=as_json)
        return 0

    _run(config, work)


def _run(path: Path | None, work: Callable[[Config], Awaitable[int]]) -> None:
    with reporting():
        config = load_config(path)
    run_async(lambda: work(config))


def _tell(found: Any, describe: Callable[[Any], str], *, as_json: bool) -> None:  # noqa: ANN401 - JSON values
    if as_json:
        print_json(found)
    else:
        print(describe(found))


async def _differences(
    db: Database, premises: Premises, *, customer_id: int | None = None
) -> list[dict[str, Any]]:
    from pcd.crm import preview

    return [each async for each in preview.differences(db, premises, customer_id=customer_id)]


async def _would_pull(config: Config, collections: Sequence[str], *, full: bool) -> list[dict[str, Any]]:
    from pcd.crm.puller import preview

    async with asking(config) as (db, client):
        return [asdict(await preview(db, client, name, full=full)) for name in collections]


async def _would_push(db: Database, premises: Premises, since: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - datetime
    from pcd.crm import preview

    return await preview.push(db, premises, since=since)
