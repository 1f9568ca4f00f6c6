"""A simulated GoHighLevel and simulated carriers, and everything that sends messages through them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import anyio
import msgspec

from pcd.actions import build
from pcd.actions.builder import messenger
from pcd.clock import Clock
from pcd.config import Secret, Url
from pcd.config.shape import MessagingConfig, SendgridConfig, SmtpConfig, StepWebhook, TwilioConfig
from pcd.errors import UpstreamError
from pcd.ghl.client import connect
from pcd.messages.message import Channel, Message
from pcd.sim.ghl.subaccount import open_subaccount
from pcd.sim.providers import ProviderSettings, open_providers
from pcd.workflows.action import StepCall
from pcd.workflows.classify import classify
from pcd.workflows.outcome import Fail, Retry
from support.detecting import upsert
from support.selling import LIMITLESS, configured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from pcd.config import Config
    from pcd.db.pool import Database, Record
    from pcd.ghl.client import GoHighLevel
    from pcd.messages.messenger import Messenger
    from pcd.sim.ghl.server import Simulator
    from pcd.sim.providers import Providers
    from pcd.workflows.action import Action
    from pcd.workflows.outcome import Outcome

NOON = datetime(2026, 6, 10, 16, tzinfo=UTC)
"""Noon in New York, far from every quiet hour."""
PHONE = "+18132345001"
_PATIENCE = 10.0


class SetClock(Clock):
    """Shows what a test says; what is measured still passes."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@dataclass(slots=True)
class Known:
    """Facts that a test knows by heart."""

    known: dict[str, Any]

    async def get(self, name: str) -> Any:  # noqa: ANN401 - a fact of any type
        """Return one, None for what was not said."""
        return self.known.get(name)


@dataclass(slots=True)
class Messaging:
    """A company with customers who have contacts; *config* is live unless a test says otherwise."""

    db: Database
    sim: Simulator
    providers: Providers
    ghl: GoHighLevel
    config: Config
    clock: SetClock
    facts: dict[str, Any] = field(default_factory=dict)
    instance_id: UUID = field(default_factory=uuid4)

    async def customer(self, st_id: int = 1, **columns: object) -> str:
        """Write a customer and its linked contact, and return the contact's id."""
        phone = f"(813) 234-{5000 + st_id:04}"
        given: dict[str, Any] = {
            "name": f"Heron Court {st_id}",
            "phone": phone,
            "email": f"c{st_id}@example.com",
            "active": True,
        }
        await self.db.execute(*upsert("customers", st_id, **{**given, **columns}))
        contact = self.sim.person.add_contact(
            phone=f"+1813234{5000 + st_id:04}", email=f"c{st_id}@example.com"
        )
        await self.db.execute(
            "INSERT INTO pcd.crm_customers (customer_id, admitted_by, contact_id) VALUES ($1, 'test', $2)",
            st_id,
            contact.id,
        )
        return contact.id

    async def phone_of(self, customer_id: int, number: str, *, do_not_text: bool = False) -> None:
        """Write a phone number of a customer as ServiceTitan has it."""
        columns = {"customer_id": customer_id, "type": "MobilePhone", "value": number, "phone_number": number}
        await self.db.execute(
            *upsert("customer_contacts", 9000 + customer_id, do_not_text=do_not_text, active=True, **columns)
        )

    async def prefer(self, customer_id: int = 1, **columns: object) -> None:
        """Write a row of preferences."""
        names = "".join(f", {name}" for name in columns)
        marks = "".join(f", ${place}" for place in range(2, len(columns) + 2))
        await self.db.execute(
            f"INSERT INTO public.customer_communication_preferences (customer_id{names}) VALUES ($1{marks})",
            customer_id,
            *columns.values(),
        )

    def through(self, **keys: Any) -> Config:  # noqa: ANN401 - values of keys
        """Return the configuration with other keys of ``[messaging]``."""
        return msgspec.structs.replace(
            self.config, messaging=msgspec.structs.replace(self.config.messaging, **keys)
        )

    def messenger(self, *, config: Config | None = None, db: Database | None = None) -> Messenger:
        """Return the way to customers."""
        return messenger(
            config or self.config, db=db or self.db, ghl=self.ghl, clock=self.clock, country="US"
        )

    def actions(self, *, config: Config | None = None) -> Mapping[str, Action]:
        """Return every action."""
        return build(config or self.config, db=self.db, ghl=self.ghl, clock=self.clock)

    def call(self, action: Action, given: Mapping[str, Any], **changes: Any) -> StepCall:  # noqa: ANN401
        """Return a call of *action* with these parameters for customer 1."""
        told: dict[str, Any] = {
            "instance_id": self.instance_id,
            "workflow": "test",
            "step": 1,
            "attempt": 1,
            "idempotency_key": f"{self.instance_id}:1",
            "parameters": msgspec.convert(given, action.parameters),
            "facts": Known(self.facts),
            "customer_id": 1,
            "entity_type": "estimate",
            "entity_id": 7,
            "event_id": uuid4(),
            "still_allowed": _allowed,
        }
        return StepCall(**{**told, **changes})

    async def perform(
        self,
        name: str,
        given: Mapping[str, Any],
        *,
        config: Config | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> Outcome:
        """Perform the action *name* once, and say of an error what the engine does."""
        action = self.actions(config=config)[name]
        try:
            return await action.perform(self.call(action, given, **changes))
        except UpstreamError as error:
            outcome = classify(error)
            assert isinstance(outcome, Retry | Fail)
            return outcome

    def texts(self) -> list[str]:
        """Return what GoHighLevel sent to customers, whether its answer arrived or not."""
        return [one.body for one in self.sim.store.messages.values() if one.direction == "outbound"]

    async def log(self) -> list[Record]:
        """Return the record of messages, in order."""
        return await self.db.fetch("SELECT * FROM automation.messaging_log ORDER BY claimed_at, created_at")

    async def statuses(self) -> list[str]:
        """Return the state of every message."""
        return [row["status"] for row in await self.log()]

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a state."""
        with anyio.fail_after(_PATIENCE):
            while not await holds():  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)


def text(key: str = "k:1", *, customer_id: int = 1, said: str = "Hello.") -> Message:
    """Return a text message."""
    return Message(key=key, channel=Channel.SMS, customer_id=customer_id, text=said)


def email(key: str = "k:1", *, customer_id: int = 1) -> Message:
    """Return an e-mail."""
    return Message(
        key=key,
        channel=Channel.EMAIL,
        customer_id=customer_id,
        text="Hello.",
        subject="Your estimate",
        html="<p>Hello.</p>",
    )


async def _allowed() -> str:
    return ""


@asynccontextmanager
async def messaging(db: Database, folder: Path, **keys: Any) -> AsyncIterator[Messaging]:  # noqa: ANN401
    """Serve everything; *keys* of ``[messaging]`` say what is not live and through GoHighLevel."""
    clock = SetClock()
    async with (
        open_subaccount(settings=LIMITLESS) as subaccount,
        open_providers(settings=ProviderSettings(hook_secret="s3cret")) as providers,
    ):
        config = configured(subaccount.simulator, subaccount.url, folder)
        config = msgspec.structs.replace(
            config,
            messaging=_messaging(providers, **keys),
            workflows=msgspec.structs.replace(config.workflows, webhooks=_webhooks(providers)),
            ai=msgspec.structs.replace(
                config.ai, api_key=Secret(providers.settings.anthropic_key), base_url=providers.url
            ),
        )
        async with connect(config.ghl, clock=Clock()) as ghl:
            yield Messaging(db, subaccount.simulator, providers, ghl, config, clock)


def _messaging(providers: Providers, **keys: Any) -> MessagingConfig:  # noqa: ANN401 - values of keys
    made_up = providers.settings
    return MessagingConfig(
        **{
            "mode": "live",
            "twilio": TwilioConfig(
                api_url=providers.url,
                account_sid=made_up.account_sid,
                auth_token=Secret(made_up.auth_token),
                phone_number=made_up.phone_number,
            ),
            "sendgrid": SendgridConfig(
                api_url=providers.url, api_key=Secret(made_up.sendgrid_key), from_email=made_up.from_email
            ),
            "smtp": SmtpConfig(tls="none", from_email=made_up.from_email),
            **keys,
        }
    )


def _webhooks(providers: Providers) -> tuple[StepWebhook, ...]:
    url = Url(f"{providers.url}/webhook/flow")
    slack = Url(providers.slack_url)
    return (
        StepWebhook(name="n8n", url=url, header="X-PCD-Secret", secret=Secret("s3cret")),
        StepWebhook(name="wrong", url=url, header="X-PCD-Secret", secret=Secret("other")),
        StepWebhook(name="office", url=slack),
    )


LONG_AGO = timedelta(minutes=11)
