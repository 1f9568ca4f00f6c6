"""The command line: one module a command, each with a `typer.Typer` called ``app``."""
