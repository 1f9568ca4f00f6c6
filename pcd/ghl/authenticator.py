"""Hands out the token that GoHighLevel is spoken to with, and another one when that is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread

from pcd.config.files import read_secret
from pcd.errors import ConfigError, Unauthorized
from pcd.ghl.decode import SERVICE

if TYPE_CHECKING:
    from pcd.config import Config, Secret

log = logging.getLogger(__name__)

_FILE = "file "


class Authenticator(Protocol):
    """Where tokens come from."""

    @property
    def key(self) -> str:
        """The setting to look at when no token is accepted."""

    async def token(self) -> str:
        """Return the present token. Raises Unauthorized, or Unreachable where none could be had."""

    async def renew(self, refused: str) -> bool:
        """Put another token in the place of *refused*; tell whether there is one that is worth a try."""


class PrivateToken:
    """A private integration's token, which does not end. Its file, if it has one, is read again on refusal.

    So a token is rotated by writing the new one to the file: within the seven days in which the old one
    goes on to work, or at once.

    Source: "Private Integrations", marketplace.gohighlevel.com, read 2026-11-23.
    """

    def __init__(self, token: Secret, *, path: Path | None) -> None:
        """Begin with *token*, which was read from *path* if that is given."""
        self._token, self._path = token.reveal(), path
        self._read = anyio.Lock()

    @property
    def key(self) -> str:
        """The setting that holds the token."""
        return "ghl.token (GHL_API_KEY)" if self._path is None else f"ghl.token, read from {self._path}"

    async def token(self) -> str:
        """Return the token. Raises Unauthorized when none is configured."""
        if not self._token:
            raise Unauthorized(f"No token for GoHighLevel: see {self.key}", service=SERVICE)
        return self._token

    async def renew(self, refused: str) -> bool:
        """Read the file again; tell whether it holds another token than *refused*."""
        if self._path is None or self._token != refused:
            return self._token != refused
        async with self._read:
            if self._token == refused:
                await self._read_again(self._path)
        return self._token != refused

    async def _read_again(self, path: Path) -> None:
        try:
            found = await anyio.to_thread.run_sync(_read, path)
        except ConfigError as error:
            log.warning("The token of GoHighLevel was refused, and its file cannot be read again: %s", error)
            return
        if found != self._token:
            self._token = found
            log.info("The token of GoHighLevel was refused and read again from %s", path)


def token_path(config: Config) -> Path | None:
    """Return the file from which ``ghl.token`` was read, None where it was given in another way."""
    origin = config.origins.get("ghl.token", "")
    return Path(origin.removeprefix(_FILE)) if origin.startswith(_FILE) else None


def _read(path: Path) -> str:
    return read_secret(path, is_guarded=False)
