"""Tells a Slack channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.health.channels.posting import post

if TYPE_CHECKING:
    from pcd.config import Secret
    from pcd.health.describe import Message


class Slack:
    """An incoming webhook of Slack.

    Source: "Sending messages using incoming webhooks", docs.slack.dev: a POST of ``{"text": ...}``;
    ``&``, ``<`` and ``>`` have to be escaped, or a text could mention everybody.
    """

    name = "slack"

    def __init__(self, webhook_url: Secret) -> None:
        self._url = webhook_url

    async def send(self, message: Message) -> None:
        """Post *message*."""
        head, body = escape(message.subject), escape(message.text)
        await post(self._url.reveal(), {"text": f"*{head}*\n{body}"}, service="Slack", headers={})


def escape(text: str) -> str:
    """Return *text* so that Slack shows it as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
