"""Reading the two kinds of files: ``config.toml`` and files that hold one secret."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from pcd.errors import ConfigError

_LARGEST_SECRET = 65_536
# Whoever fills these folders (a container runtime) guards them, and fixes the files' mode.
_GUARDED = (Path("/run/secrets"), Path("/var/run/secrets"))


def read_toml(path: Path) -> dict[str, Any]:
    """Return what the TOML file at *path* holds, or raise ConfigError that says where it goes wrong."""
    try:
        # Editors of Windows put a byte order mark before the text.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a text file in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {_mistake(error)}") from None


def read_secret(path: Path, *, is_guarded: bool) -> str:
    """Return the secret that the file at *path* holds, without the white space around it.

    A file that everybody may read is refused, unless *is_guarded* says that its folder keeps others
    out. Raises ConfigError whose text begins with a verb.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the secret file {path}: {_reason(error)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"cannot read the secret file {path}: it is not a regular file")
        if status.st_mode & stat.S_IROTH and not is_guarded and not _is_guarded(path):
            raise ConfigError(f"everybody may read the secret file {path}: chmod 600 {path}")
        content = os.read(descriptor, _LARGEST_SECRET + 1)
    finally:
        os.close(descriptor)
    return _decode(content, path)


def _mistake(error: tomllib.TOMLDecodeError) -> str:
    """Return what *error* says; of a text that its line does not close, what to look for."""
    return str(error).replace("Illegal character '\\n'", "a text ends without its closing \" or '")


def _decode(content: bytes, path: Path) -> str:
    if len(content) > _LARGEST_SECRET:
        raise ConfigError(f"holds more than 64 KiB, too much for a secret: {path}")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(f"holds no UTF-8 text: {path}") from None
    if not text:
        raise ConfigError(f"the secret file {path} is empty")
    return text


def _is_guarded(path: Path) -> bool:
    return any(folder in path.absolute().parents for folder in _GUARDED)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
