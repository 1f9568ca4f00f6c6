"""The real program, run as a user runs it: another process with a config.toml of its own."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from subprocess import DEVNULL, STDOUT
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import Process

# Nothing of the developer's own environment may reach the program under test.
_ENVIRONMENT = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}


def write_config(
    folder: Path, *, database_url: str, servicetitan_url: str, ttl: str = "1s", more: str = ""
) -> Path:
    """Write a config.toml that mirrors the simulator at *servicetitan_url* into *database_url*."""
    path = folder / "config.toml"
    path.write_text(
        f"""
[daemon]
data_dir = "{folder}"
control_socket = "{folder}/control.sock"
heartbeat_file = "{folder}/heartbeat"
http_port = 0

[database]
url = "{database_url}"

[servicetitan]
api_url = "{servicetitan_url}"
auth_url = "{servicetitan_url}"
tenant_id = "1000"
client_id = "sim-client"
client_secret = "sim-secret"
app_key = "sim-app-key"
requests_per_second = 10000

[leases]
ttl = "{ttl}"
{more}
"""
    )
    path.chmod(0o600)
    return path


@asynccontextmanager
async def started(config: Path, *words: str, output: Path | None = None) -> AsyncIterator[Process]:
    """Run ``pcd *words*`` and yield its process; it is killed at the end if it still runs."""
    target = output.open("ab") if output is not None else None
    try:
        process = await anyio.open_process(
            [sys.executable, "-m", "pcd", *words, "--config", str(config)],
            stdin=DEVNULL,
            stdout=target or DEVNULL,
            stderr=STDOUT,
            env=_ENVIRONMENT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()
    finally:
        if target is not None:
            target.close()


async def completed(config: Path, *words: str, output: Path | None = None) -> int:
    """Run ``pcd *words*`` to its end and return its exit code."""
    async with started(config, *words, output=output) as process:
        return await process.wait()
