"""``pcd alerts``: what a person has to know, that he knows it, and whether he would be told."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcd.cli.context import ConfigOption, Group, JsonOption, load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import ago, cut, print_json, screen, table

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.health.channels import Channel

app = typer.Typer(cls=Group, no_args_is_help=True, help="Show, acknowledge and try alerts.")


@app.command("list")
def list_alerts(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="NUMBER", help="How many, the newest.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List open alerts, the newest first."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.cli.progress import say
        from pcd.health.crier import list_alerts as read

        async with opened(loaded, tell=say) as db:
            found = await read(db, also_over=everything, limit=limit)
        if as_json:
            print_json(found)
        else:
            print(cut(describe(found, now=datetime.now(UTC)), width=screen()) if found else "no alerts")
        return 0

    run_async(work)


@app.command()
def ack(
    which: Annotated[str, typer.Argument(metavar="ID", help="The alert's id or key; `pcd alerts list`.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that somebody has seen an alert and looks after it."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        from pcd.app import opened
        from pcd.cli.progress import say
        from pcd.errors import ControlError
        from pcd.health.crier import acknowledge

        async with opened(loaded, tell=say) as db:
            found = await acknowledge(db, which, by=getpass.getuser())
        if not found:
            message = f"no open alert has the id or key {which!r}; `pcd alerts list` shows them"
            raise ControlError(message, code="unknown_name")
        if as_json:
            print_json(found)
        else:
            print(f"acknowledged: {found[0]['title']}")
        return 0

    run_async(work)


@app.command("test")
def try_channels(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Send a test to every channel now, and show whether it arrived; exit 1 where one did not."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        found = await _told(loaded)
        if as_json:
            print_json(found)
        else:
            lines = [f"{each['channel']}: {each['error'] or 'told'}" for each in found]
            print(
                "\n".join(lines) or "no channel is set up: [alerts.slack], [alerts.email], [alerts.webhook]"
            )
        return 1 if not found or any(each["error"] for each in found) else 0

    run_async(work)


def describe(alerts: list[dict[str, Any]], *, now: datetime) -> str:
    """Return *alerts* as a table."""
    rows = [
        (
            str(each["id"]),
            each["level"],
            ago((now - each["raised_at"]).total_seconds()),
            _state(each),
            each["title"],
        )
        for each in alerts
    ]
    return table(("id", "level", "raised", "", "what"), rows)


def _state(alert: dict[str, Any]) -> str:
    if alert["resolved_at"]:
        return "over"
    if alert["acked_by"]:
        return f"seen by {alert['acked_by']}"
    untold = ", ".join(alert["untold"])
    return f"{untold} not told" if untold else ""


async def _told(config: Config) -> list[dict[str, str]]:
    import anyio

    from pcd.clock import Clock
    from pcd.errors import PcdError
    from pcd.health.alerts import Alerts
    from pcd.health.channels import channels_of
    from pcd.health.describe import message

    clock = Clock()
    alerts = Alerts(clock)
    alerts.test()
    told = message(alerts.take(), name=config.business.name or "pcd")
    found: dict[str, str] = {}

    async def send(channel: Channel) -> None:
        try:
            await channel.send(told)
        except PcdError as error:
            found[channel.name] = str(error)
        else:
            found[channel.name] = ""

    async with anyio.create_task_group() as group:
        for channel in channels_of(config, clock):
            group.start_soon(send, channel)
    return [{"channel": name, "error": error} for name, error in sorted(found.items())]
