"""``pcd ghl authorize``: let a marketplace app into the subaccount."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcd.cli.context import ConfigOption, load_config, reporting
from pcd.cli.running import run_async
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pcd.config import Config
    from pcd.ghl.oauth import OAuth

_NEEDED = ("client_id", "client_secret", "encryption_key")


def authorize(
    redirect_uri: Annotated[
        str, typer.Option("--redirect-uri", metavar="URL", help="One that the app is registered with.")
    ] = "",
    code: Annotated[
        str, typer.Option("--code", metavar="CODE", help="What the page led back with; good for minutes.")
    ] = "",
    refresh_token_file: Annotated[
        Path | None,
        typer.Option(
            "--refresh-token-file", metavar="PATH", help="Take over what another program kept so far."
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Let the app of [ghl.oauth] in: first shows the page to open, then takes the code it led to.

    What is granted is kept in the database, sealed with ghl.oauth.encryption_key. A refresh token works
    once: the program it was taken over from is let in no more.
    """
    with reporting():
        loaded = load_config(config)
        _check(loaded)
        if not code and refresh_token_file is None:
            _show(loaded, redirect_uri)
            return
        if code and not redirect_uri:
            raise ConfigError("--redirect-uri: expected the one that the page was opened with")
    run_async(lambda: _take(loaded, code=code, redirect_uri=redirect_uri, file=refresh_token_file))


def _check(config: Config) -> None:
    for name in _NEEDED:
        if not getattr(config.ghl.oauth, name):
            raise ConfigError(f"ghl.oauth.{name}: nothing is set, expected what the app is registered with")


def _show(config: Config, redirect_uri: str) -> None:
    from pcd.ghl.oauth import consent_address

    if not redirect_uri:
        raise ConfigError("--redirect-uri: expected an address that the app is registered with")
    print("Open this page and choose the subaccount:\n")
    print(f"  {consent_address(config.ghl.oauth.client_id, redirect_uri=redirect_uri)}\n")
    print("It leads back to the address with ?code=...; then, within minutes:\n")
    print(f"  pcd ghl authorize --redirect-uri {redirect_uri} --code CODE")


async def _take(config: Config, *, code: str, redirect_uri: str, file: Path | None) -> int:
    from pcd import app as root
    from pcd.cli.progress import say
    from pcd.clock import Clock
    from pcd.crm.grants import StoredGrant
    from pcd.db.migrate import migrate
    from pcd.fetcher import open_session
    from pcd.ghl.oauth import OAuth

    async with root.opened(config, tell=say) as db, open_session() as session:
        await migrate(db)
        oauth = OAuth(config.ghl, store=StoredGrant(lambda: db), session=session, clock=Clock())
        await _ask(oauth, code=code, redirect_uri=redirect_uri, file=file)
        if not oauth.is_saved:
            print("GoHighLevel granted it, but it could not be saved: authorize again")
            return 1
    print("GoHighLevel lets pcd in; `pcd ghl check` tells what it may do there")
    return 0


async def _ask(oauth: OAuth, *, code: str, redirect_uri: str, file: Path | None) -> None:
    from pcd.config.files import read_secret

    if file is None:
        await oauth.exchange(code, redirect_uri=redirect_uri)
    else:
        await oauth.adopt(read_secret(file, is_guarded=False))
