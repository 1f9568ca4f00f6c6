"""``pcd messages``: what was sent and not sent, and what a person has to decide."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcd.cli.context import ConfigOption, Group, JsonOption, known_id, load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json, table

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.messages.clerk import Decided, Entry

app = typer.Typer(cls=Group, help="Show messages, and decide about parked ones.", no_args_is_help=True)

MessageId = Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, metavar="NUMBER", help="How many, the newest.")]
_HEADS = ("id", "at (UTC)", "status", "by", "customer", "workflow", "why")


@app.command("list")
def list_messages(
    status: Annotated[str, typer.Option(help="Only those: sent, dry_run, failed, parked ...")] = "",
    customer: Annotated[
        int | None, typer.Option(metavar="ID", callback=known_id, help="Only this customer's.")
    ] = None,
    limit: Limit = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages, the newest first; what they say stays in automation.messaging_log."""
    _list(config, status, customer, limit, as_json=as_json, none="no messages")


@app.command()
def parked(limit: Limit = 50, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the messages of which nobody knows whether they went out."""
    _list(config, "parked", None, limit, as_json=as_json, none="nothing is parked")


@app.command()
def release(message_id: MessageId, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Let a parked message be sent again: you looked, and it did not go out."""

    async def decide(db: Database) -> Decided:
        from pcd.messages import clerk

        return await clerk.release(db, message_id, by=getpass.getuser())

    _decide(config, decide, as_json=as_json)


@app.command()
def drop(message_id: MessageId, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Settle a parked message without sending it: it went out, or is not wanted any more."""

    async def decide(db: Database) -> Decided:
        from pcd.messages import clerk

        return await clerk.drop(db, message_id, by=getpass.getuser())

    _decide(config, decide, as_json=as_json)


def _list(
    path: Path | None, status: str, customer: int | None, limit: int, *, as_json: bool, none: str
) -> None:
    async def work(db: Database) -> int:
        from pcd.messages.clerk import entries
        from pcd.messages.message import Status

        try:
            wanted = Status(status) if status else None
        except ValueError:
            known = ", ".join(one.value for one in Status)
            raise typer.BadParameter(f"--status: there are {known}") from None
        found = await entries(db, status=wanted, customer_id=customer, limit=limit)
        if as_json:
            print_json(found)
        else:
            print(table(_HEADS, [_cells(one) for one in found]) if found else none)
        return 0

    _with_database(path, work)


def _decide(path: Path | None, decide: Callable[[Database], Awaitable[Decided]], *, as_json: bool) -> None:
    async def work(db: Database) -> int:
        decided = await decide(db)
        if as_json:
            print_json(decided)
            return 0
        print(f"message {decided.id[:8]} is {decided.status}")
        if decided.instance_id:
            print(f"its workflow goes on with: pcd workflow retry {decided.instance_id}")
        return 0

    _with_database(path, work)


def _cells(one: Entry) -> tuple[object, ...]:
    return (
        one.id[:8],
        one.at[:19].replace("T", " "),
        one.status,
        f"{one.channel} {'from' if one.direction == 'inbound' else 'through'} {one.provider or 'nobody'}",
        "" if one.customer_id is None else str(one.customer_id),
        f"{one.about['workflow']} step {one.about.get('step', '')}" if "workflow" in one.about else "",
        one.reason,
    )


def _with_database(path: Path | None, work: Callable[[Database], Awaitable[int]]) -> None:
    with reporting():
        config = load_config(path)

    async def run() -> int:
        from pcd.app import opened
        from pcd.cli.progress import say

        async with opened(config, tell=say) as db:
            return await work(db)

    run_async(run)
