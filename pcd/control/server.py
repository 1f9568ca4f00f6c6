"""Answers commands on the control socket."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from pcd.control import protocol
from pcd.errors import ConfigError, ControlError, PcdError
from pcd.supervisor import describe, root_cause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from anyio.abc import SocketStream, TaskStatus

_log = logging.getLogger(__name__)

_AT_ONCE = 32
# The other places are for who wants a short answer: `pcd status` tells why nothing else is answered.
_LASTING = 24
_PATIENCE = 10.0
_IDLE = 600.0
# Whoever kept us waiting this long makes room, where there is none, for somebody who comes.
_LINGERING = 1.0
_LOOK_EVERY = 0.05
_CREDENTIALS = struct.Struct("3i")


class _Gone(Exception):
    """The client does not read any more."""


@dataclass(slots=True, eq=False)
class _Client:
    """One connection. *waits_since* is when we began to wait for it, None while it waits for us.

    *is_lasting*: what it asked for takes long.
    """

    stream: SocketStream
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    waits_since: float | None = None
    is_lasting: bool = False

    def waited(self) -> float:
        """Return for how many seconds we have waited for it."""
        return 0.0 if self.waits_since is None else anyio.current_time() - self.waits_since

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Count the block as waiting for the client."""
        self.waits_since = anyio.current_time()
        try:
            yield
        finally:
            self.waits_since = None

    async def send(self, answer: protocol.Answer) -> None:
        """Send one line, or drop a client that does not take it in time."""
        try:
            with self.awaited(), anyio.fail_after(_PATIENCE):
                await self.stream.send(protocol.encode(answer))
        except (TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
            raise _Gone from error


@dataclass(frozen=True, slots=True)
class Tell:
    """What a method tells the client of its request while it works."""

    _client: _Client
    _clients: Collection[_Client]
    _request_id: int

    async def __call__(self, state: object) -> None:
        """Tell how far it is."""
        await self._client.send(protocol.progress(self._request_id, state))

    def stay(self) -> None:
        """Say that the answer may take long, before anything is done; raises ControlError if too many do."""
        if sum(client.is_lasting for client in self._clients) >= _LASTING:
            message = (
                f"{_LASTING} commands that take long are under way already, as many as the daemon serves; "
                "end one of them (`pcd logs -f`, `pcd sync ...`), then try again"
            )
            raise ControlError(message, code="crowded")
        self._client.is_lasting = True


Method: TypeAlias = Callable[[dict[str, Any], Tell], Awaitable[object]]


class ControlServer:
    """A service: listens on *path* and answers with *methods*, each called with (params, tell).

    Only this user and root are answered. A client that sends garbage gets an error, one that does not
    read within ten seconds is dropped, and so are idle ones where there are too many. Some places are kept
    free of what takes long. A socket that a killed daemon left is replaced: whoever runs this has `claimed`
    the path.
    """

    name = "control"

    def __init__(self, path: Path, *, methods: Mapping[str, Method], version: str) -> None:
        self._path = path
        self._methods = methods
        self._clients: set[_Client] = set()
        self._hello = {"protocol": protocol.PROTOCOL, "version": version, "pid": os.getpid()}

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Listen until cancelled; the socket is gone afterwards."""
        async with _listening(self._path) as listener, anyio.create_task_group() as group:
            task_status.started()
            await listener.serve(self._take_in, group)

    async def _take_in(self, stream: SocketStream) -> None:
        async with stream:
            if not _is_ours(stream):
                _log.warning("control: a process of another user was turned away")
                return
            while len(self._clients) >= _AT_ONCE:
                self._make_room()
                await anyio.sleep(_LOOK_EVERY)
            client = _Client(stream)
            self._clients.add(client)
            try:
                with client.scope:
                    await self._serve(client)
            finally:
                self._clients.discard(client)

    def _make_room(self) -> None:
        """Drop who keeps us waiting the longest, if that is long."""
        client = max(self._clients, key=_Client.waited)
        if client.waited() >= _LINGERING:
            client.scope.cancel()

    async def _serve(self, client: _Client) -> None:
        lines = BufferedByteReceiveStream(client.stream)
        try:
            while True:
                await self._answer_next(lines, client)
        except (_Gone, anyio.EndOfStream, anyio.IncompleteRead):
            return
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            return

    async def _answer_next(self, lines: BufferedByteReceiveStream, client: _Client) -> None:
        request_id = 0
        try:
            with client.awaited(), anyio.move_on_after(_IDLE) as idle:
                line = await lines.receive_until(b"\n", protocol.MAX_LINE)
            if idle.cancelled_caught:
                raise _Gone
            request = protocol.decode_request(line)
            request_id = request.id
            result = await self._carry_out(request, client)
            await client.send(protocol.success(request_id, result))
        except anyio.DelimiterNotFound:
            await client.send(protocol.failure(0, ControlError("the line is too long", code="too_long")))
            raise _Gone from None
        except ControlError as error:
            await client.send(protocol.failure(request_id, error))

    async def _carry_out(self, request: protocol.Request, client: _Client) -> object:
        if request.method == "hello":
            protocol.agree(request.params.get("protocol"))
            return self._hello
        method = self._methods.get(request.method)
        if method is None:
            known = ", ".join(sorted(("hello", *self._methods)))
            raise ControlError(f"no method {request.method!r}; there are: {known}", code="unknown_method")
        try:
            return await method(request.params, Tell(client, self._clients, request.id))
        except (ControlError, _Gone):
            raise
        except Exception as error:
            cause = root_cause(error)
            if isinstance(cause, (ControlError, _Gone)):
                raise cause from None
            if not isinstance(cause, PcdError):
                _log.exception("control: %s failed", request.method)
            raise ControlError(describe(cause), code="failed") from error
        finally:
            client.is_lasting = False


def _is_ours(stream: SocketStream) -> bool:
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - not Django's
    packed = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(packed)
    return uid in {0, os.getuid()}


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the right to listen on *path*; raises ConfigError when a living daemon has it.

    A lock file beside the socket tells a daemon that lives from a socket that a killed one left.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        message = (
            f"daemon.control_socket: another daemon listens on {path}; stop it, or give this one its own"
        )
        raise ConfigError(message) from None
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _listening(path: Path) -> AsyncIterator[anyio.abc.Listener[SocketStream]]:
    with _removed_afterwards(path):
        try:
            listener = await anyio.create_unix_listener(path, mode=0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        async with listener:
            yield listener


@contextmanager
def _removed_afterwards(path: Path) -> Iterator[None]:
    if path.exists() and not path.is_socket():
        raise ConfigError(f"daemon.control_socket: {path} is there already and is no socket")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"daemon.control_socket: cannot listen on {path} ({error.strerror or error})")
