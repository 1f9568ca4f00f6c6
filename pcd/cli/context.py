"""What every command shares: finding the configuration, and ending with one clear line."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from pcd.config import Config, load
from pcd.errors import ConfigError, ControlError, DaemonUnreachable, DefinitionError, PcdError

DONE, FAILED, MISCONFIGURED, UNREACHABLE = range(4)
_PLACES = (Path("config.toml"), Path("/etc/pcd/config.toml"))

_LOST = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_Ids = TypeVar("_Ids")
# Ids are 64 bits wide, here as in PostgreSQL.
LARGEST = 2**63 - 1

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        help="The configuration file. [default: $PCD_CONFIG, ./config.toml, /etc/pcd/config.toml]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class Group(TyperGroup):
    """Commands that are listed with their whole first paragraph, instead of as much as a line holds."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own
        """Shorten no command's first paragraph."""
        super().__init__(**attributes)
        for command in self.commands.values():
            command.short_help = command.short_help or (command.help or "").split("\n\n")[0]


def known_id(value: _Ids) -> _Ids:
    """Return the id or ids that an option was given; raises BadParameter for one that no record can have."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int) and abs(each) > LARGEST:
            raise typer.BadParameter(f"found {each}, which is too long for an id")
    return value


def config_path(config: Path | None) -> Path | None:
    """Return the file to read: *config*, else ``$PCD_CONFIG``, else the first that exists, else None."""
    if config is not None:
        return config
    if named := os.environ.get("PCD_CONFIG"):
        return Path(named)
    return next((place for place in _PLACES if place.exists()), None)


def load_config(config: Path | None) -> Config:
    """Return the configuration of this process; raises ConfigError."""
    return load(config_path(config), os.environ)


def exit_code(error: BaseException) -> int:
    """Return the exit code that *error* stands for."""
    match error:
        case ConfigError() | DefinitionError():
            return MISCONFIGURED
        case DaemonUnreachable():
            return UNREACHABLE
        case ControlError(code="unknown_name" | "unknown_resource" | "unknown_service" | "bad_params"):
            return MISCONFIGURED
        case _:
            return FAILED


def exit_with(error: BaseException) -> NoReturn:
    """End the process with one message on stderr and the exit code of *error*, without a traceback."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    sys.stderr.write(f"pcd: {error}\n")
    raise SystemExit(exit_code(error))


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """End the process by `exit_with` when the body raises an error of ours, alone or in a group.

    That the output cannot be written is raised alone: its reader has seen enough (``pcd gaps | head``), or
    the disk is full.
    """
    try:
        yield
    except PcdError as error:
        exit_with(error)
    except BaseExceptionGroup as group:
        broken, _ = group.split(is_output_lost)
        if broken is not None:
            raise _first(broken) from None
        ours, others = group.split(PcdError)
        if ours is None or others is not None:
            raise
        exit_with(_first(ours))


def is_output_lost(error: BaseException) -> bool:
    """Return whether *error* is what writing to a closed pipe or a full disk raises."""
    if isinstance(error, BrokenPipeError):
        return True
    return isinstance(error, OSError) and error.errno in _LOST and error.filename is None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
