from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
import pytest_asyncio

from pcd.config import Secret
from pcd.errors import StoreUnreachable, Unauthorized, Unreachable
from pcd.fetcher import open_session
from pcd.ghl.oauth import OAuth
from pcd.ghl.seal import unseal

if TYPE_CHECKING:
    from integration.ghl.conftest import Upstream
    from support.clocks import StandingClock

    from pcd.config import GhlConfig
    from pcd.ghl.client import GoHighLevel

pytestmark = pytest.mark.asyncio

KEY = "a long enough text"
DAY = timedelta(days=1).total_seconds()
CONTACT = {"contact": {"id": "c1"}}
Connect = Callable[..., Awaitable["GoHighLevel"]]


@dataclass
class Shelf:
    """Keeps a grant in memory; out of order it cannot."""

    sealed: bytes | None = None
    is_broken: bool = False
    saves: list[bytes] = field(default_factory=list)

    async def load(self) -> bytes | None:
        self._check()
        return self.sealed

    async def save(self, sealed: bytes) -> None:
        self._check()
        self.sealed = sealed
        self.saves.append(sealed)

    def _check(self) -> None:
        if self.is_broken:
            raise StoreUnreachable("PostgreSQL does not answer")


def grant(number: int) -> dict[str, Any]:
    return {"access_token": f"a{number}", "refresh_token": f"r{number}", "expires_in": 86_399, "scope": "x"}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def app(config: GhlConfig) -> GhlConfig:
    oauth = msgspec.structs.replace(
        config.oauth, client_id="app1", client_secret=Secret("hush-hush"), encryption_key=Secret(KEY)
    )
    return msgspec.structs.replace(config, oauth=oauth)


@pytest_asyncio.fixture
async def make(app: GhlConfig, shelf: Shelf, clock: StandingClock) -> AsyncGenerator[Callable[..., OAuth]]:
    """Yield what makes another process with the same store."""
    async with open_session() as session:
        yield lambda: OAuth(app, store=shelf, session=session, clock=clock)


@pytest.fixture
def oauth(make: Callable[..., OAuth]) -> OAuth:
    return make()


async def test_nothing_granted_asks_for_a_person(oauth: OAuth, upstream: Upstream) -> None:
    with pytest.raises(Unauthorized, match="authorize the app"):
        await oauth.token()
    assert upstream.asked == []


async def test_code_becomes_a_grant_that_lies_sealed(oauth: OAuth, upstream: Upstream, shelf: Shelf) -> None:
    upstream.then(grant(1))
    await oauth.exchange("code-7", redirect_uri="https://heron.example/")
    assert upstream.asked[0].path == "/oauth/token"
    assert upstream.asked[0].body == {
        "client_id": "app1",
        "client_secret": "hush-hush",
        "user_type": "Location",
        "grant_type": "authorization_code",
        "code": "code-7",
        "redirect_uri": "https://heron.example/",
    }
    assert "Version" not in upstream.asked[0].headers
    assert await oauth.token() == "a1"
    assert shelf.sealed is not None
    assert b'"r1"' not in shelf.sealed
    assert b'"r1"' in unseal(shelf.sealed, key=KEY)


async def test_next_process_goes_on_with_what_was_saved(
    oauth: OAuth, make: Callable[..., OAuth], upstream: Upstream
) -> None:
    upstream.then(grant(1))
    await oauth.adopt("r0")
    assert await make().token() == "a1"
    assert len(upstream.asked) == 1


async def test_everybody_waits_for_one_new_grant(
    oauth: OAuth, upstream: Upstream, shelf: Shelf, clock: StandingClock
) -> None:
    upstream.then(grant(1))
    await oauth.adopt("r0")
    clock.seconds += DAY - 200
    upstream.then(grant(2))
    tokens: list[str] = []

    async def take() -> None:
        tokens.append(await oauth.token())

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(take)
    assert tokens == ["a2"] * 5
    assert [asked.body["refresh_token"] for asked in upstream.asked] == ["r0", "r1"]
    assert len(shelf.saves) == 2


async def test_grant_that_another_process_renewed_is_used(
    make: Callable[..., OAuth], upstream: Upstream, clock: StandingClock
) -> None:
    one, other = make(), make()
    upstream.then(grant(1))
    await one.adopt("r0")
    assert await other.token() == "a1"
    clock.seconds += DAY
    upstream.then(grant(2))
    assert await one.token() == "a2"
    assert await other.token() == "a2"
    assert len(upstream.asked) == 2


async def test_refresh_token_that_another_process_spent_meanwhile_is_no_end(
    make: Callable[..., OAuth], upstream: Upstream, shelf: Shelf, clock: StandingClock
) -> None:
    one, other = make(), make()
    upstream.then(grant(1))
    await one.adopt("r0")
    old = shelf.sealed
    await other.token()
    clock.seconds += DAY
    upstream.then(grant(2))
    await one.token()
    new, shelf.sealed = shelf.sealed, old

    async def spent() -> None:
        """Answer the other's request only once the store holds what the first one was granted."""
        with anyio.fail_after(20):
            while len(upstream.asked) < 3:  # noqa: ASYNC110 - the server announces nothing
                await anyio.sleep(0.001)
        shelf.sealed = new
        answered.set()

    answered = anyio.Event()
    upstream.then({"error": "invalid_grant"}, status=400, waits_for=answered)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spent)
        assert await other.token() == "a2"


async def test_grant_that_is_under_way_outlives_who_asked_for_it(
    oauth: OAuth, make: Callable[..., OAuth], upstream: Upstream, clock: StandingClock
) -> None:
    """The refresh token is spent when the answer leaves: to lose that would need a person."""
    upstream.then(grant(1))
    await oauth.adopt("r0")
    clock.seconds += DAY
    may_answer = anyio.Event()
    told: list[str] = []

    async def ask() -> None:
        told.append(await oauth.token())

    upstream.then(grant(2), waits_for=may_answer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(5):
            while len(upstream.asked) < 2:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
        may_answer.set()
    assert told == []
    assert await make().token() == "a2"
    assert [asked.body["refresh_token"] for asked in upstream.asked] == ["r0", "r1"]


async def test_spent_refresh_token_asks_for_a_person(
    oauth: OAuth, upstream: Upstream, clock: StandingClock
) -> None:
    upstream.then(grant(1))
    await oauth.adopt("r0")
    clock.seconds += DAY
    upstream.then(
        {"error": "invalid_grant", "error_description": "This refresh token is invalid"}, status=400
    )
    with pytest.raises(Unauthorized, match=r"refresh token is invalid.*ghl.oauth.client_id") as caught:
        await oauth.token()
    assert "r1" not in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_outage_is_not_felt_while_the_token_is_good(
    oauth: OAuth, upstream: Upstream, clock: StandingClock
) -> None:
    upstream.then(grant(1))
    await oauth.adopt("r0")
    clock.seconds += DAY - 200
    for _ in range(2):
        upstream.then(status=503)
    assert await oauth.token() == "a1"
    assert await oauth.token() == "a1"
    assert len(upstream.asked) == 3, "one more try, and then none for a while"
    clock.seconds += 250
    for _ in range(2):
        upstream.then(b'{"access_token": "a2"}')
    with pytest.raises(Unreachable, match="holds no grant"):
        await oauth.token()


async def test_grant_that_cannot_be_saved_is_saved_later(
    oauth: OAuth, upstream: Upstream, shelf: Shelf, clock: StandingClock, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.then(grant(1))
    shelf.is_broken = True
    with caplog.at_level(logging.ERROR):
        await oauth.adopt("r0")
    assert "would be lost at a restart" in caplog.text
    assert await oauth.token() == "a1"
    shelf.is_broken = False
    clock.seconds += 60
    assert await oauth.token() == "a1"
    assert [b'"r1"' in unseal(sealed, key=KEY) for sealed in shelf.saves] == [True]


async def test_store_that_is_away_is_told_as_such(oauth: OAuth, shelf: Shelf) -> None:
    shelf.is_broken = True
    with pytest.raises(Unreachable, match="cannot be read"):
        await oauth.token()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        pytest.param(
            "another long enough text", "cannot be opened with ghl.oauth.encryption_key", id="another"
        ),
        pytest.param("short", "needs 16 characters", id="too short"),
    ],
)
async def test_wrong_key_is_told(
    make: Callable[..., OAuth], oauth: OAuth, upstream: Upstream, app: GhlConfig, key: str, says: str
) -> None:
    upstream.then(grant(1))
    await oauth.adopt("r0")
    other = make()
    wrong = msgspec.structs.replace(app.oauth, encryption_key=Secret(key))
    other._settings = msgspec.structs.replace(app, oauth=wrong)
    with pytest.raises(Unauthorized, match=says):
        await other.token()


async def test_refused_access_token_is_renewed_once(
    oauth: OAuth, connect: Connect, upstream: Upstream, clock: StandingClock
) -> None:
    upstream.then(grant(1))
    await oauth.adopt("r0")
    clock.seconds += 3600
    ghl = await connect(authenticator=oauth)
    upstream.good_tokens = {"a2"}
    upstream.then(grant(2))
    upstream.then(CONTACT)
    assert await ghl.get_contact("c1") is not None
    upstream.good_tokens = set()
    with pytest.raises(Unauthorized, match=r"ghl.oauth.client_id"):
        await ghl.get_contact("c1")
    assert [asked.path for asked in upstream.asked].count("/oauth/token") == 2
