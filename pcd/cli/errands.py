"""Long work: through the daemon where one runs, otherwise in this process under the same lease."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.control.methods import Errand

_EVERY = 0.2


async def carry_out(config: Config, method: str, params: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Return what came of *method*, as the daemon describes it; shows how far it is unless *quiet*."""
    from anyio import get_cancelled_exc_class

    from pcd.cli.progress import display, say
    from pcd.control.client import connect_if_any

    async with connect_if_any(config.daemon.control_socket) as client:
        if client is None:
            return await _in_this_process(config, _errand(method, params), quiet=quiet)
        try:
            with display(quiet=quiet) as show:
                outcome: dict[str, Any] = await client.call(method, params, on_progress=show)
        except get_cancelled_exc_class():
            say("the daemon goes on with it; `pcd status` shows how far it is")
            raise
        return outcome


async def _in_this_process(config: Config, errand: Errand, *, quiet: bool) -> dict[str, Any]:
    import anyio

    from pcd import app
    from pcd.cli.progress import display, say
    from pcd.control.methods import describe_outcome
    from pcd.control.progress import Progress

    # What fails stands in the report.
    logging.getLogger("pcd.sync.syncer").setLevel(logging.CRITICAL)
    progress = Progress()
    async with app.mirror(config, tell=say) as mirror:
        with display(quiet=quiet) as show:

            async def follow() -> None:
                while True:
                    show(progress.describe())
                    await anyio.sleep(_EVERY)

            progress.begin()
            async with anyio.create_task_group() as group:
                group.start_soon(follow)
                outcome = await mirror.perform(errand, progress)
                group.cancel_scope.cancel()
        return describe_outcome(outcome)


def _errand(method: str, params: dict[str, Any]) -> Errand:
    from pcd.control.methods import Compare
    from pcd.sync.request import Mode, Request

    only = tuple(params["only"])
    if method == "gaps.run":
        return Compare(only)
    at = params["since"]
    return Request(
        mode=Mode(params["mode"]),
        only=only,
        since=datetime.fromisoformat(at) if at else None,
        accept_gone=params["accept_gone"],
        triggered_by="command",
    )
