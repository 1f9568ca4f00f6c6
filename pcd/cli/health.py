"""``pcd health``, ``pcd reload``: how everything is, measured now, by the daemon or without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcd.cli.context import load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json
from pcd.errors import ControlError

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.health.check import Reading


def show_health(path: Path | None, *, verbose: bool, as_json: bool) -> None:
    """Print how everything is; exit 1 when something fails or no daemon runs."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        from pcd.health.describe import report

        found = await _ask(config)
        if as_json:
            print_json(found)
        else:
            print(report(found["checks"], found["remedies"], verbose=verbose))
        return 1 if found["level"] == "fail" else 0

    run_async(work)


def reload_config(path: Path | None, *, as_json: bool) -> None:
    """Have the daemon read its configuration again; exit 3 when none answers."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        from pcd.control.client import connect

        async with connect(config.daemon.control_socket) as client:
            found = await client.call("reload")
        if as_json:
            print_json(found)
            return 0
        nothing = "nothing" if found["needs_restart"] else "nothing has changed"
        print(f"applied: {', '.join(found['applied']) or nothing}")
        if found["needs_restart"]:
            print(f"after a restart: {', '.join(found['needs_restart'])}")
        return 0

    run_async(work)


async def _ask(config: Config) -> dict[str, Any]:
    """Return what the daemon says; where none runs, or it does not watch, what can be seen from here."""
    from pcd.control.client import connect_if_any

    async with connect_if_any(config.daemon.control_socket) as client:
        if client is None:
            where = config.daemon.control_socket
            return await _look(config, f"no daemon answers on {where}; `pcd run` starts one")
        try:
            found: dict[str, Any] = await client.call("health")
        except ControlError as error:
            if error.code != "closed":
                raise
            return await _look(config, str(error))
        return found


async def _look(config: Config, why: str) -> dict[str, Any]:
    """Measure here what needs no daemon; *why* is what there is to say about the daemon."""
    from pcd.health import describe
    from pcd.health.check import Bounds, Check, Level, Measurement, Thresholds
    from pcd.health.checks import CHECKS
    from pcd.health.judge import judge

    now = datetime.now(UTC)
    thresholds = Thresholds(
        sync_stalled_after=config.health.sync_stalled_after,
        workflow_stalled_after=config.health.workflow_stalled_after,
    )
    daemon = Check(name="daemon", reads="daemon", bounds=lambda _: Bounds(fail=1), owner="")
    readings: dict[str, Reading] = {"daemon": {"": Measurement(value=1, text=why)}, **await _readings(config)}
    verdicts = [
        # One look decides: there is no next one.
        judge(
            replace(check, breaks_after=1),
            readings[check.reads],
            thresholds=thresholds,
            previous=None,
            at=now,
        )
        for check in (daemon, *CHECKS.values())
        if check.reads in readings
    ]
    worst = max(verdicts, key=lambda verdict: verdict.level.rank).level
    assert worst in Level
    return {
        "level": worst.value,
        "looked_at": now,
        "checks": describe.verdicts(verdicts),
        "remedies": [],
        "alerts": [],
        "channels": [],
    }


async def _readings(config: Config) -> dict[str, Reading]:
    """Return what can be read without a daemon. Starts nothing: an embedded database may be down."""
    from pcd.app import opened
    from pcd.clock import Clock
    from pcd.db.embedded import Embedded
    from pcd.errors import PcdError
    from pcd.health.check import Measurement
    from pcd.health.prober import Prober
    from pcd.health.reader import Reader, Store, disk
    from pcd.mirroring import mirrored

    clock, data_dir = Clock(), config.daemon.data_dir
    beside = Reader({"disk": partial(disk, data_dir), "probes": Prober(config.health.probes, clock).look})
    if not config.database.url and not Embedded(data_dir).is_running():
        away = Measurement(value=float("inf"), text=f"the PostgreSQL under {data_dir} does not run")
        return {"database": {"": away}, **await beside.read()}
    try:
        async with opened(config, tell=lambda _: None) as db:
            store = Store(
                lambda: db,
                resources=mirrored(config),
                stalled_after=config.health.workflow_stalled_after,
                clock=clock,
            )
            return {**await Reader(store.sources()).read(), **await beside.read()}
    except PcdError as error:
        return {"database": {"": Measurement(value=float("inf"), text=str(error))}, **await beside.read()}
