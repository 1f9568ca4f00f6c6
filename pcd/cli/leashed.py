"""``python -m pcd.cli.leashed ARGUMENTS``: the command line, told to end when whoever started it is gone.

However that ended: a killed `pcd demo` cannot stop its daemon itself. Standard input is the leash: a pipe
that the kernel closes when the other process dies. (The kernel's own signal for this, PR_SET_PDEATHSIG,
comes once for each thread of the parent; a second SIGTERM does not wait for anything.) What `pcd drill`
writes to it is how many seconds the clock is to be wrong.
"""

from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta

from pcd.clock import Clock

_LINE = 64


def main() -> None:
    """Run the command line, and watch standard input meanwhile."""
    from pcd.cli.main import app

    threading.Thread(target=_end_with_the_leash, daemon=True).start()
    app(prog_name="pcd")


def _end_with_the_leash() -> None:
    while text := os.read(0, _LINE):
        Clock.set_forward(timedelta(seconds=float(text)))
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
