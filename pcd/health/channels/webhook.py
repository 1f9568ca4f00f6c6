"""Tells any program that takes JSON: n8n, or PagerDuty in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pcd.health.alert import News
from pcd.health.channels.posting import post
from pcd.health.check import Level

if TYPE_CHECKING:
    from pcd.config import Secret, Url
    from pcd.health.alert import Notice
    from pcd.health.describe import Message

_PAGERDUTY = ("events.pagerduty.com", "events.eu.pagerduty.com")
_SEVERITY = {Level.OK: "info", Level.WARN: "warning", Level.FAIL: "critical"}


class Webhook:
    """Posts to *url* with *token* as a bearer token.

    The body is ``{"source": "pcd", "subject", "text", "alerts": [{"key", "news", "level", "title", "text",
    "raised_at", "resolved_at"}]}``; the digest has no alerts. PagerDuty's address gets its events instead,
    one an alert, with *token* as the routing key.
    """

    name = "webhook"

    def __init__(self, url: Url, *, token: Secret) -> None:
        self._url = url
        self._token = token

    async def send(self, message: Message) -> None:
        """Post *message*."""
        if urlsplit(self._url.reveal()).hostname in _PAGERDUTY:
            for notice in message.notices:
                body = pagerduty(notice, routing_key=self._token.reveal())
                await post(self._url.reveal(), body, service="PagerDuty", headers={})
            return
        headers = {"Authorization": f"Bearer {self._token.reveal()}"} if self._token else {}
        body = {
            "source": "pcd",
            "subject": message.subject,
            "text": message.text,
            "alerts": [_told(notice) for notice in message.notices],
        }
        await post(self._url.reveal(), body, service="the webhook", headers=headers)


def pagerduty(notice: Notice, *, routing_key: str) -> dict[str, Any]:
    """Return *notice* as an event of PagerDuty: what is raised under a key is resolved under it.

    Source: "PagerDuty Events API V2", developer.pagerduty.com: routing_key, event_action, dedup_key, payload
    with summary (up to 1024 characters), source and severity.
    """
    alert = notice.alert
    event = {
        "routing_key": routing_key,
        "event_action": "resolve" if notice.news is News.RECOVERED else "trigger",
        "dedup_key": f"pcd.{alert.key}"[:255],
    }
    if notice.news is News.RECOVERED:
        return event
    payload = {
        "summary": alert.title[:1024],
        "source": "pcd",
        "severity": _SEVERITY[alert.level],
        "custom_details": {"text": alert.text},
    }
    return {**event, "payload": payload}


def _told(notice: Notice) -> dict[str, Any]:
    alert = notice.alert
    return {
        "key": alert.key,
        "news": notice.news.value,
        "level": alert.level.value,
        "title": alert.title,
        "text": alert.text,
        "raised_at": alert.raised_at,
        "resolved_at": alert.resolved_at,
    }
