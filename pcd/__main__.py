"""``python -m pcd`` and the ``pcd`` script: arguments in, exit code out."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; output that cannot be written, as on a full disk, is one line and exit code 1."""
    _open_closed_streams()
    from pcd.cli.context import is_output_lost
    from pcd.cli.main import app
    from pcd.cli.running import leave

    try:
        try:
            app(prog_name="pcd")
        finally:
            for stream in filter(None, (sys.stdout,)):
                stream.flush()
    except BrokenPipeError:
        leave(1)
    except OSError as error:
        if not is_output_lost(error):
            raise
        leave(1, farewell=f"pcd: the output cannot be written: {error.strerror}")


def _open_closed_streams() -> None:
    """Put nothing in the place of a standard stream that the caller has closed.

    Else the first file or socket takes its number, and libuv ends the process over that.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
