"""The command line. What a command needs is imported when it runs, so that ``pcd --help`` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from pcd.cli import alerts, db, events, ghl, messages, sim, workflow
from pcd.cli import config as config_commands
from pcd.cli.context import ConfigOption, Group, JsonOption, known_id
from pcd.cli.ghl_authorize import authorize
from pcd.cli.sync import app as sync_app

app = typer.Typer(
    name="pcd",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sync_app, name="sync")
app.add_typer(config_commands.app, name="config")
app.add_typer(db.app, name="db")
app.add_typer(sim.app, name="sim")
app.add_typer(events.app, name="events")
ghl.app.command(short_help="Let a marketplace app into the subaccount.")(authorize)
app.add_typer(ghl.app, name="ghl")
app.add_typer(workflow.app, name="workflow")
app.add_typer(alerts.app, name="alerts")
app.add_typer(messages.app, name="messages")

Only = Annotated[str, typer.Option("--only", metavar="NAMES", help="Only these, comma separated.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A service or a resource; `pcd status` lists them.")
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"pcd {version('pcd')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Mirrors ServiceTitan into PostgreSQL, keeps GoHighLevel in step and runs workflows."""


@app.command()
def run(
    config: ConfigOption = None,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="NAMES",
            help="Only these, comma separated: sync, events, ghl, workflows, health, web.",
        ),
    ] = "",
) -> None:
    """Run the daemon until it is told to stop."""
    from pcd.cli.run import run_daemon

    run_daemon(config, only=names(only))


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how the daemon and the mirror are; `ghl status` and `workflow status` show the rest."""
    from pcd.cli.status import show_status

    show_status(config, as_json=as_json)


@app.command(short_help="Stop a service, or leave out a resource.")
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who come after.")] = "",
    config: ConfigOption = None,
) -> None:
    """Stop a service, or leave a resource out of every sync, until it is resumed."""
    from pcd.cli.status import change_pause

    change_pause(config, "pause", {"name": name, "reason": reason})


@app.command()
def resume(name: Name, config: ConfigOption = None) -> None:
    """Let a paused service or resource go on."""
    from pcd.cli.status import change_pause

    change_pause(config, "resume", {"name": name})


@app.command(short_help="Measure and show whether everything is well.")
def health(
    config: ConfigOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every check, also the good ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure and show whether everything is well; exit 1 when something fails."""
    from pcd.cli.health import show_health

    show_health(config, verbose=verbose, as_json=as_json)


@app.command()
def digest(
    config: ConfigOption = None,
    send: Annotated[bool, typer.Option("--send", help="Also send it, as the daemon does each day.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what happened within the last day, and what needs a person."""
    from pcd.cli.digest import show_digest

    show_digest(config, send=send, as_json=as_json)


@app.command()
def logs(
    last: Annotated[int, typer.Option("-n", "--last", min=0, metavar="NUMBER", help="How many lines.")] = 100,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    level: Annotated[str, typer.Option("--level", metavar="LEVEL", help="This and worse only.")] = "debug",
    set_level: Annotated[
        str, typer.Option("--set-level", metavar="LEVEL", help="Have the daemon log from this level on.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the daemon has logged lately."""
    from pcd.cli.logs import show_logs

    show_logs(config, last=last, level=level, follow=follow, set_level=set_level, as_json=as_json)


@app.command(short_help="Have the daemon read its configuration again.")
def reload(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Have the daemon read its configuration again; says what took effect and what needs a restart."""
    from pcd.cli.health import reload_config

    reload_config(config, as_json=as_json)


@app.command(short_help="Show what differs from ServiceTitan; changes nothing.")
def gaps(only: Only = "", config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare every record with ServiceTitan's and show what differs; changes nothing."""
    from pcd.cli.gaps import show_gaps

    show_gaps(config, only=names(only), as_json=as_json)


@app.command()
def backfill(only: Only = "", config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Fetch whatever ServiceTitan has and the mirror lacks."""
    from pcd.cli.gaps import fill_gaps

    fill_gaps(config, only=names(only), as_json=as_json)


@app.command(short_help="Show it all on a simulated company.")
def demo(
    exit_after: Annotated[
        str, typer.Option("--exit-after", metavar="DURATION", help='End by itself, for example after "2m".')
    ] = "",
    customers: Annotated[
        int, typer.Option(metavar="NUMBER", help="How many customers the simulated company has.", min=1)
    ] = 2000,
    speed: Annotated[
        float, typer.Option(metavar="NUMBER", help="How many hours of the company pass in an hour.", min=0.0)
    ] = 60.0,
) -> None:
    """Show it all on a simulated company: a database, a ServiceTitan and the daemon. Ctrl-C ends it."""
    from pcd.cli.demo import run_demo

    run_demo(exit_after, customers=customers, speed=speed)


@app.command(short_help="Break everything once, on a simulated company.")
def drill(only: Only = "", as_json: JsonOption = False) -> None:
    """Break what the daemon stands on, one thing after another, and tell what it does about it.

    On a simulated company with a daemon and a database of its own: yours are not touched.
    """
    from pcd.cli.drill import run_drill

    run_drill(names(only), as_json=as_json)


@app.command(short_help="Go live with GoHighLevel, or back to recording only.")
def switch(
    to: Annotated[str, typer.Argument(metavar="on|off", help="on: calls are sent; off: only recorded.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go live with GoHighLevel from shadow mode, and back, in one step."""
    if to not in {"on", "off"}:
        raise typer.BadParameter(f"found {to!r}, expected on or off")
    ghl.switch(config, is_live=to == "on", as_json=as_json)


@app.command(short_help="Show what was seen, decided and sent for one customer.")
def explain(
    what: Annotated[str, typer.Argument(metavar="customer", help="So far: customer.")],
    number: Annotated[int, typer.Argument(metavar="ID", callback=known_id, help="ServiceTitan's id.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that was seen, decided, sent and not sent for one customer, and why."""
    if what != "customer":
        raise typer.BadParameter(f"found {what!r}, expected customer")
    ghl.explain(config, customer=number, as_json=as_json)


def names(text: str) -> tuple[str, ...]:
    """Return the names in a comma separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
