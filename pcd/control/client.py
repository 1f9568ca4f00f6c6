"""Asks a running daemon."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from pcd.control import protocol
from pcd.errors import ControlError, DaemonUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from anyio.abc import SocketStream

_HELLO = 5.0


class ControlClient:
    """One connection to a daemon; requests go one after the other. Made by `connect`."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._lines = BufferedByteReceiveStream(stream)
        self._last_id = 0
        self.version = ""
        self.pid = 0

    async def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        on_progress: Callable[[Any], None] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the daemon's result; *on_progress* hears what it tells meanwhile.

        Raises ControlError as the daemon answered it, DaemonUnreachable when it goes away first.
        """
        self._last_id += 1
        request = protocol.Request(id=self._last_id, method=method, params=params or {})
        try:
            await self._stream.send(protocol.encode(request))
            while True:
                line = await self._lines.receive_until(b"\n", protocol.MAX_LINE)
                answer = protocol.decode_answer(line)
                if isinstance(answer.error, protocol.Complaint):
                    raise ControlError(answer.error.message, code=answer.error.code)
                if answer.progress is msgspec.UNSET:
                    return answer.result
                if on_progress is not None:
                    on_progress(answer.progress)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError) as error:
            raise DaemonUnreachable("the daemon went away before it answered") from error
        except anyio.DelimiterNotFound as error:
            raise ControlError("not an answer of pcd: no end of line", code="bad_answer") from error


@asynccontextmanager
async def connect(path: Path) -> AsyncGenerator[ControlClient]:
    """Hold a connection to the daemon that listens on *path*.

    Raises DaemonUnreachable when none answers within five seconds.
    """
    async with connect_if_any(path) as client:
        if client is None:
            raise DaemonUnreachable(f"no daemon answers on {path}; `pcd run` starts one")
        yield client


@asynccontextmanager
async def connect_if_any(path: Path) -> AsyncGenerator[ControlClient | None]:
    """Hold a connection to the daemon that listens on *path*, None when nobody does.

    Raises DaemonUnreachable when one listens but does not answer within five seconds.
    """
    try:
        stream = await anyio.connect_unix(path)
    except (OSError, ValueError):
        yield None
        return
    async with stream:
        client = ControlClient(stream)
        try:
            with anyio.fail_after(_HELLO):
                hello = await client.call("hello", {"protocol": protocol.PROTOCOL})
        except TimeoutError as error:
            raise DaemonUnreachable(f"the daemon on {path} does not answer; is it stuck?") from error
        client.version, client.pid = str(hello.get("version", "")), int(hello.get("pid", 0))
        yield client
