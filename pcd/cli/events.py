"""``pcd events``: what happened, why we think so, and what to do where we could not tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcd.cli import event_words as words
from pcd.cli.context import LARGEST, ConfigOption, Group, JsonOption, known_id, load_config, reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json
from pcd.cli.sync import parse_instant, parse_since
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.events.finder import Query
    from pcd.events.recorder import Recorder
    from pcd.events.replayer import Request

app = typer.Typer(cls=Group, help="Show, explain and derive events.", no_args_is_help=True)

Types = Annotated[
    str, typer.Option("--type", metavar="NAMES", help="Only these events, comma separated; see `types`.")
]
Entity = Annotated[
    str, typer.Option("--entity", metavar="WHAT:ID", help="Only those about it: estimate:123, job:45.")
]
Customer = Annotated[
    int | None, typer.Option("--customer", metavar="ID", callback=known_id, help="Only this customer's.")
]
Since = Annotated[str, typer.Option("--since", metavar="WHEN", help='From then on: 2026-05-01, "2d".')]
Until = Annotated[str, typer.Option("--until", metavar="WHEN", help="Until then.")]


@app.command("list")
def list_events(
    *,
    types: Types = "",
    entity: Entity = "",
    customer: Customer = None,
    since: Since = "",
    until: Until = "",
    suppressed: Annotated[bool, typer.Option("--suppressed", help="Only those told to nobody.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="NUMBER", help="How many, the newest.")
    ] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List recorded events, the newest last."""
    with reporting():
        loaded = load_config(config)
        query = _query(loaded, types, entity, customer, since, until)

    async def work(db: Database) -> int:
        from pcd.events.finder import newest

        found = await newest(db, replace(query, suppressed=suppressed or None), limit=limit)
        if as_json:
            print_json(found)
        else:
            print(words.table(found) if found else "no events")
        return 0

    _with_database(loaded, work)


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one event: its way from the upstream record to all that it caused, and its payload."""
    with reporting():
        loaded = load_config(config)

    async def work(db: Database) -> int:
        from pcd.events.finder import trace

        way = await trace(db, event_id)
        if as_json:
            print_json(way)
        else:
            print(words.described(way))
        return 0

    _with_database(loaded, work)


@app.command()
def tail(
    types: Types = "",
    entity: Entity = "",
    customer: Customer = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print events as they are recorded, until Ctrl-C."""
    with reporting():
        loaded = load_config(config)
        query = _query(loaded, types, entity, customer, "", "")

    async def work(db: Database) -> int:
        import anyio
        import msgspec

        from pcd.cli.progress import say
        from pcd.events.finder import after, last_sequence

        last = await last_sequence(db)
        say("events from now on; Ctrl-C ends")
        while True:
            for event in await after(db, query, last):
                last = event.sequence
                print(msgspec.json.encode(event).decode() if as_json else words.line(event), flush=True)
            await anyio.sleep(0.5)

    _with_database(loaded, work)


@app.command()
def types(
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for documents.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show every event with its exact meaning, how often it can happen and what it carries."""
    del config  # every command takes it; this one only tells what is declared
    from pcd.events import describe
    from pcd.events.rules import RULES

    if markdown:
        print(describe.markdown(RULES.values()), end="")
    elif as_json:
        print_json(list(describe.describe(RULES.values())))
    else:
        for rule in RULES.values():
            keys = ", ".join(describe.payload(rule))
            print(f"{rule.type} ({describe.repeats(rule)})\n  {rule.meaning}\n  carries {keys}\n")


@app.command()
def replay(
    *,
    since: Since = "",
    until: Until = "",
    entity: Entity = "",
    types: Types = "",
    release: Annotated[bool, typer.Option("--release", help="Tell suppressed ones as well.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Record them; without it they are only shown.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Derive events again for a window or an entity, and show which would be new; --yes records them.

    What was told before is not told again. The change log is read first; what it no longer holds is
    derived from the rows, which only tell of first occurrences.
    """
    if not (since or entity):
        raise typer.BadParameter("say which: --since, or --entity estimate:123")

    with reporting():
        loaded = load_config(config)
        request = _request(loaded, entity, types, since, until, release=release)

    async def work(db: Database) -> int:
        found = await (_record(loaded, request) if yes else _preview(loaded, db, request))
        if as_json:
            print_json(found)
        else:
            print(words.replayed(found, done=yes))
        return 0

    _with_database(loaded, work)


@app.command()
def retry(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Judge parked rows again, and let halted rules catch up on the changes that they missed."""
    with reporting():
        loaded = load_config(config)

    async def work() -> int:
        found = await _ask_or_do(loaded, "events.retry", {}, _retry)
        if as_json:
            print_json(found)
        else:
            print(words.retried(found))
        return 1 if found["still_halted"] else 0

    run_async(work)


def _with_database(config: Config, work: Callable[[Database], Awaitable[int]]) -> None:
    async def run() -> int:
        from pcd.app import opened
        from pcd.cli.progress import say

        async with opened(config, tell=say) as db:
            return await work(db)

    run_async(run)


async def _preview(config: Config, db: Database, request: Request) -> dict[str, Any]:
    from pcd.clock import Clock
    from pcd.events import describe
    from pcd.events.detector import preview, settings_of

    return describe.replay(await preview(db, request, settings=settings_of(config), clock=Clock()))


async def _record(config: Config, request: Request) -> dict[str, Any]:
    import msgspec

    from pcd.events import describe

    async def do(recorder: Recorder) -> dict[str, Any]:
        return describe.replay(await recorder.replay(request))

    return await _ask_or_do(config, "events.replay", msgspec.to_builtins(request), do)


async def _retry(recorder: Recorder) -> dict[str, Any]:
    from pcd.events import describe

    return describe.retried(await recorder.retry())


async def _ask_or_do(
    config: Config,
    method: str,
    params: dict[str, Any],
    do: Callable[[Recorder], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Return what the daemon answers, or do it here, under the same lease, while none runs."""
    from pcd import app
    from pcd.automation import starter_of
    from pcd.cli.progress import say
    from pcd.clock import Clock
    from pcd.control.client import connect_if_any
    from pcd.db.migrate import migrate
    from pcd.detection import recorder

    async with connect_if_any(config.daemon.control_socket) as client:
        if client is not None:
            answer: dict[str, Any] = await client.call(method, params)
            return answer
    clock = Clock()
    async with app.opened(config, tell=say) as db:
        await migrate(db)
        leaser = app.leaser_of(config, db, clock)
        starter = await starter_of(config, db, clock=clock)
        async with recorder(config, db, leaser=leaser, clock=clock, follower=starter) as own:
            return await do(own)


def _query(config: Config, types: str, entity: str, customer: int | None, since: str, until: str) -> Query:
    from pcd.events.finder import Query

    begin, end = _window(config, since, until)
    return Query(types=_types(types), entity=_entity(entity), customer_id=customer, since=begin, until=end)


def _request(config: Config, entity: str, types: str, since: str, until: str, *, release: bool) -> Request:
    from pcd.events.replayer import Request

    begin, end = _window(config, since, until)
    return Request(entity=_entity(entity), since=begin, until=end, types=_types(types), release=release)


def _window(config: Config, since: str, until: str) -> tuple[datetime | None, datetime | None]:
    """Return the instants that *since* and *until* mean; raises ConfigError when none lies between them."""
    now, zone = datetime.now().astimezone(), config.daemon.timezone
    begin = parse_since(since, now=now, zone=zone)
    end = parse_instant(until, option="--until", now=now, zone=zone)
    if begin and end and end <= begin:
        raise ConfigError(f"--until: {until} is not later than --since {since}")
    return begin, end


def _types(text: str) -> tuple[str, ...]:
    from pcd.events.rules import RULES

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in RULES:
            raise ConfigError(f"--type: there is no event {name!r}; `pcd events types` lists them")
    return names


def _entity(text: str) -> tuple[str, int] | None:
    """Return what ``estimate:123`` names; the resource's word does as well: ``estimates:123``."""
    from pcd.events.rules import RULES

    if not text:
        return None
    word, _, number = text.partition(":")
    entities = {rule.entity for rule in RULES.values()}
    named = word if word in entities else word.removesuffix("s")
    if named not in entities or not number.isdecimal() or int(number) > LARGEST:
        raise ConfigError(f"--entity: found {text!r}, expected one of {', '.join(sorted(entities))} and :ID")
    return named, int(number)
