"""A TCP proxy in front of PostgreSQL that can stop, lose and cut what passes through it, as networks do."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import ByteStream, SocketStream


class Proxy:
    """Forwards connections to the server of *url*. `passed` counts bytes, both ways."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._flows = anyio.Event()
        self._flows.set()
        self._accepts = True
        self._loses = False
        self._lost: set[ByteStream] = set()
        self._open: set[ByteStream] = set()
        self.port = 0
        self.passed = 0

    @property
    def url(self) -> str:
        """The URL of the same database through the proxy."""
        user = self._target.netloc.rpartition("@")[0]
        near = self._target._replace(netloc=f"{user}@127.0.0.1:{self.port}", query="sslmode=disable")
        return urlunsplit(near)

    def freeze(self) -> None:
        """Keep connections open and pass nothing on: what a stopped server looks like."""
        self._flows = anyio.Event()

    def thaw(self) -> None:
        """Pass everything on again, what was held back included."""
        self._flows.set()

    def lose(self) -> None:
        """Leave connections half-open for ever, and until `find` new ones too."""
        self._loses = True
        self._lost |= self._open

    def find(self) -> None:
        """Serve new connections again."""
        self._loses = False

    async def cut(self) -> None:
        """Close every connection and accept no more."""
        self._accepts = False
        for stream in list(self._open):
            await anyio.aclose_forcefully(stream)

    def mend(self) -> None:
        """Accept connections again."""
        self._accepts = True

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[Proxy]:
        """Listen on loopback."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
        self.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, self._carry)
            yield self
            group.cancel_scope.cancel()

    async def _carry(self, client: SocketStream) -> None:
        async with client:
            if not self._accepts:
                return
            async with await self._dial() as server, anyio.create_task_group() as group:
                self._open |= {client, server}
                if self._loses:
                    self._lost |= {client, server}
                group.start_soon(self._pass, client, server, group.cancel_scope)
                group.start_soon(self._pass, server, client, group.cancel_scope)
            self._open -= {client, server}

    async def _dial(self) -> ByteStream:
        options = parse_qs(self._target.query)
        port = int(options.get("port", [str(self._target.port or 5432)])[0])
        if "host" in options:
            return await anyio.connect_unix(f"{options['host'][0]}/.s.PGSQL.{port}")
        return await anyio.connect_tcp(self._target.hostname or "127.0.0.1", port)

    async def _pass(self, source: ByteStream, sink: ByteStream, scope: anyio.CancelScope) -> None:
        try:
            async for chunk in source:
                await self._flows.wait()
                if source in self._lost:
                    await anyio.sleep_forever()
                self.passed += len(chunk)
                await sink.send(chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
        finally:
            scope.cancel()
