"""``pcd run``: the daemon."""

from __future__ import annotations

import gc
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pcd.cli.context import load_config, reporting
from pcd.cli.running import has_uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcd.config import Config


def run_daemon(path: Path | None, *, only: tuple[str, ...]) -> NoReturn:
    """Run the daemon; exit 0 after SIGTERM, with 128 and its number after another signal."""
    import anyio

    with reporting():
        config = load_config(path)
        from pcd.app import run
        from pcd.telemetry import log, tracing

        _settle()
        log.configure(
            level=config.daemon.log_level, style=config.daemon.log_format, secrets=tuple(secrets_of(config))
        )
        with tracing.exported(os.environ):
            caught = anyio.run(partial(run, config, only=only), backend_options={"use_uvloop": has_uvloop()})
    raise SystemExit(0 if caught in {0, signal.SIGTERM} else 128 + caught)


def _settle() -> None:
    """Take what is loaded by now out of the garbage collector's rounds: it stays anyway.

    Measured during a full sync: 40 ms each second in which nothing else was done.
    """
    gc.collect()
    gc.freeze()


def secrets_of(config: Config) -> Iterator[str]:
    """Yield every secret of the configuration, for the log to leave out."""
    import msgspec

    from pcd.config import Secret, Url

    def walk(section: msgspec.Struct) -> Iterator[str]:
        for name in section.__struct_fields__:
            value = getattr(section, name)
            match value:
                case Url():
                    continue
                case Secret():
                    yield value.reveal()
                case msgspec.Struct():
                    yield from walk(value)

    yield from walk(config)
