"""Looks at the systems beside the daemon: each within its own time, a few at once, and none can hang us."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, assert_never

import anyio

from pcd.db.dedicated import close_connection, open_connection
from pcd.db.errors import translated
from pcd.errors import PcdError
from pcd.health.check import Measurement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.clock import Clock
    from pcd.config.shape import Probe

_AT_ONCE = 8
_MOST_READ = 65_536


class _Down(Exception):
    """The system answered, but not as it should."""


class Prober:
    """Asks every configured system whether it is there."""

    def __init__(self, probes: Sequence[Probe], clock: Clock) -> None:
        self._probes = probes
        self._clock = clock

    async def look(self) -> dict[str, Measurement]:
        """Return what each probe found: 0 where the system answered, 1 where it did not."""
        found: dict[str, Measurement] = {}
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def run(probe: Probe) -> None:
            async with limiter:
                found[probe.name] = await self._probe(probe)

        async with anyio.create_task_group() as group:
            for probe in self._probes:
                group.start_soon(run, probe)
        return found

    async def _probe(self, probe: Probe) -> Measurement:
        began = self._clock.monotonic()
        seconds = probe.timeout.total_seconds()
        trouble = ""
        with anyio.move_on_after(seconds) as patience:
            trouble = await _trouble(probe)
        if patience.cancelled_caught:
            trouble = f"no answer within {seconds:g} s"
        if trouble:
            return Measurement(value=1.0, text=trouble, details={"probe": probe.name})
        took = (self._clock.monotonic() - began) * 1000
        return Measurement(value=0.0, text=f"answers in {took:.0f} ms", details={"probe": probe.name})


async def _trouble(probe: Probe) -> str:
    """Return what is wrong with the system, "" where it answers. Never holds the target: it may be secret."""
    try:
        match probe.kind:
            case "http":
                await _http(probe)
            case "tcp":
                await _tcp(probe)
            case "postgres":
                await _postgres(probe)
            case "redis":
                await _redis(probe)
            case _ as kind:
                assert_never(kind)  # type: ignore[arg-type]  # the configuration allows no other
    except _Down as error:
        return str(error)
    except PcdError as error:
        return str(error).removeprefix("database.url: ")
    except socket.gaierror:
        return "its name is not known"
    except OSError as error:
        return _said(error)
    except ValueError:
        return "its target cannot be understood"
    return ""


def _said(error: OSError) -> str:
    """Return what the system calls *error*; the library's own text may hold the address."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return os.strerror(cause.errno).lower() if cause.errno and cause.errno > 0 else "cannot be reached"


async def _http(probe: Probe) -> None:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=probe.timeout.total_seconds())
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(probe.target.reveal(), allow_redirects=False) as response,
        ):
            await response.content.read(_MOST_READ)
            if response.status >= 400:
                raise _Down(f"answers with status {response.status}")
    except TimeoutError:
        raise _Down(f"no answer within {probe.timeout.total_seconds():g} s") from None
    except aiohttp.ClientConnectorError as error:
        raise _Down(_said(error.os_error)) from None
    except (aiohttp.ClientError, ValueError) as error:
        raise _Down(f"does not speak HTTP as it should ({type(error).__name__})") from None


async def _tcp(probe: Probe) -> None:
    host, _, port = probe.target.reveal().rpartition(":")
    async with await anyio.connect_tcp(host.strip("[]"), int(port)):
        return


async def _postgres(probe: Probe) -> None:
    connection = await open_connection(
        probe.target.reveal(), application_name="pcd probe", within=probe.timeout
    )
    try:
        with translated():
            await connection.fetchval("SELECT 1")
    finally:
        await close_connection(connection)


async def _redis(probe: Probe) -> None:
    from redis.asyncio import Redis
    from redis.exceptions import AuthenticationError, RedisError

    seconds = probe.timeout.total_seconds()
    client = Redis.from_url(
        probe.target.reveal(), socket_timeout=seconds, socket_connect_timeout=seconds, retry=None
    )
    try:
        await client.ping()
    except AuthenticationError:
        raise _Down("refuses the password") from None
    except RedisError as error:
        raise _Down(f"cannot be reached ({type(error).__name__})") from None
    finally:
        with anyio.move_on_after(1, shield=True):
            await client.aclose()
