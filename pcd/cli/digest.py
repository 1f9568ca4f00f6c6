"""``pcd digest``: what happened within the last day, for the office."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pcd.cli.context import load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json
from pcd.errors import PcdError

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.health.describe import Message


def show_digest(path: Path | None, *, send: bool, as_json: bool) -> None:
    """Print the digest; with *send* tell it by the channels of the alerts, and exit 1 where one fails."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        from pcd.app import opened
        from pcd.cli.progress import say
        from pcd.clock import Clock
        from pcd.health import describe
        from pcd.health.digester import gather

        async with opened(config, tell=say) as db:
            told = await gather(db, until=Clock().now())
        zone = ZoneInfo(config.daemon.timezone)
        message = describe.digest(told, name=config.business.name or "pcd", zone=zone)
        if as_json:
            print_json(told)
        else:
            print(message.text)
        return await _send(config, message) if send else 0

    run_async(work)


async def _send(config: Config, message: Message) -> int:
    from pcd.cli.progress import say
    from pcd.clock import Clock
    from pcd.health.channels import channels_of

    failed = 0
    channels = channels_of(config, Clock())
    for channel in channels:
        try:
            await channel.send(message)
        except PcdError as error:
            say(f"{channel.name}: {error}")
            failed += 1
    if not channels:
        say("no channel is set up: [alerts.slack], [alerts.email], [alerts.webhook]")
    return 1 if failed or not channels else 0
