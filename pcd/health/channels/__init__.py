"""The ways to reach people: Slack, any webhook, e-mail. Each says it once or raises UpstreamError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pcd.health.channels.mail import Mail
from pcd.health.channels.slack import Slack
from pcd.health.channels.webhook import Webhook

if TYPE_CHECKING:
    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.health.describe import Message


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """The word for it in records and in the log."""

    async def send(self, message: Message) -> None:
        """Send *message* once, within half a minute. Raises UpstreamError when that did not work."""


def channels_of(config: Config, clock: Clock) -> tuple[Channel, ...]:
    """Return the channels that *config* sets up."""
    alerts = config.alerts
    found: list[Channel] = []
    if alerts.slack.webhook_url:
        found.append(Slack(alerts.slack.webhook_url))
    if alerts.webhook.url:
        found.append(Webhook(alerts.webhook.url, token=alerts.webhook.token))
    if alerts.email.to:
        found.append(Mail(config.messaging, to=alerts.email.to, clock=clock))
    return tuple(found)
