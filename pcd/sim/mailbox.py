"""A simulated SMTP server without encryption: it takes every e-mail, or goes wrong as planned.

Source: RFC 5321 (commands and replies), RFC 4954 (AUTH PLAIN and LOGIN).
"""

from __future__ import annotations

import base64
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from enum import StrEnum
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from anyio.abc import SocketStream

_LONGEST_LINE = 4096
_LARGEST_MAIL = 16 * 2**20


class Mishap(StrEnum):
    """What may go wrong with the next e-mail; *after* means that it was taken nevertheless."""

    REFUSED = "refused"
    BUSY = "busy"
    RESET = "reset"
    RESET_AFTER = "reset_after"
    HANG_AFTER = "hang_after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An e-mail that was taken, with the envelope that it came in."""

    sender: str
    to: tuple[str, ...]
    mail: EmailMessage


@dataclass(slots=True, kw_only=True)
class Mailbox:
    """What arrived, and what goes wrong with the next letters, one mishap each."""

    host: str = "127.0.0.1"
    port: int = 0
    username: str = ""
    password: str = ""
    letters: list[Letter] = field(default_factory=list)
    mishaps: deque[Mishap] = field(default_factory=deque)


@asynccontextmanager
async def open_mailbox(*, username: str = "", password: str = "") -> AsyncIterator[Mailbox]:
    """Take e-mail on loopback until the block is left; from this user alone where one is named."""
    mailbox = Mailbox(username=username, password=password)
    listener = await anyio.create_tcp_listener(local_host=mailbox.host)
    mailbox.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await _Session(mailbox, stream).run()

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield mailbox
        group.cancel_scope.cancel()


class _Gone(Exception):
    """The connection ends here."""


class _Session:
    """One connection."""

    def __init__(self, mailbox: Mailbox, stream: SocketStream) -> None:
        self._mailbox = mailbox
        self._stream = stream
        self._input = BufferedByteReceiveStream(stream)
        self._is_known = not mailbox.username
        self._sender = ""
        self._to: list[str] = []

    async def run(self) -> None:
        """Greet, and answer until the other side has gone."""
        try:
            await self._say("220 mailbox ESMTP")
            while True:
                line = await self._line()
                verb, _, rest = line.partition(" ")
                await self._obey(verb.upper(), rest)
        except (_Gone, anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            return

    async def _obey(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                await self._say("250-mailbox", "250-AUTH PLAIN LOGIN", "250 8BITMIME")
            case "HELO" | "NOOP":
                await self._say("250 OK")
            case "RSET":
                self._sender, self._to = "", []
                await self._say("250 OK")
            case "AUTH":
                await self._authenticate(rest)
            case "MAIL" | "RCPT" | "DATA" if not self._is_known:
                await self._say("530 5.7.0 Authentication required")
            case "MAIL":
                self._sender, self._to = _address(rest), []
                await self._say("250 OK")
            case "RCPT":
                self._to.append(_address(rest))
                await self._say("250 OK" if self._sender else "503 5.5.1 MAIL first")
            case "DATA":
                await self._take()
            case "QUIT":
                await self._say("221 bye")
                raise _Gone
            case _:
                await self._say("502 5.5.2 not implemented")

    async def _take(self) -> None:
        if not (self._sender and self._to):
            await self._say("503 5.5.1 MAIL and RCPT first")
            return
        await self._say("354 end with .")
        raw = await self._input.receive_until(b"\r\n.\r\n", _LARGEST_MAIL)
        mishap = self._mailbox.mishaps.popleft() if self._mailbox.mishaps else None
        if mishap is Mishap.RESET:
            raise _Gone
        if mishap in (Mishap.REFUSED, Mishap.BUSY):
            await self._say("554 5.7.1 refused" if mishap is Mishap.REFUSED else "451 4.3.0 busy")
            return
        mail = message_from_bytes(_text(raw), policy=policy.default)
        self._mailbox.letters.append(Letter(sender=self._sender, to=tuple(self._to), mail=mail))
        if mishap is Mishap.RESET_AFTER:
            raise _Gone
        if mishap is Mishap.HANG_AFTER:
            await self._input.receive_until(b"\r\n", _LONGEST_LINE)
            raise _Gone
        await self._say("250 2.0.0 queued")

    async def _authenticate(self, rest: str) -> None:
        kind, _, initial = rest.partition(" ")
        if kind.upper() == "PLAIN":
            parts = _plain(initial or await self._asked("334 ")).split("\0")
            user, password = parts[-2:] if len(parts) >= 2 else ("", "")
        else:
            user = _plain(initial or await self._asked("334 VXNlcm5hbWU6"))
            password = _plain(await self._asked("334 UGFzc3dvcmQ6"))
        self._is_known = (user, password) == (self._mailbox.username, self._mailbox.password)
        await self._say("235 2.7.0 accepted" if self._is_known else "535 5.7.8 credentials invalid")

    async def _asked(self, prompt: str) -> str:
        await self._say(prompt)
        return await self._line()

    async def _line(self) -> str:
        return (await self._input.receive_until(b"\r\n", _LONGEST_LINE)).decode(errors="replace")

    async def _say(self, *lines: str) -> None:
        await self._stream.send("".join(f"{line}\r\n" for line in lines).encode())


def _text(raw: bytes) -> bytes:
    """Return what came after ``DATA`` without the doubled dots, in lines that end as Python's do."""
    return (raw.replace(b"\r\n..", b"\r\n.") + b"\r\n").replace(b"\r\n", b"\n")


def _address(text: str) -> str:
    """Return what stands between the angle brackets of ``FROM:<...>``."""
    return text.partition("<")[2].partition(">")[0]


def _plain(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
