"""``python -m pcd`` and the ``pcd`` script: arguments in, exit code out."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from pcd.cli.main import app

    app(prog_name="pcd")


if __name__ == "__main__":
    main()
