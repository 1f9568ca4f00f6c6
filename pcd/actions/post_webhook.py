"""Posts JSON to a webhook, such as n8n's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
import orjson

from pcd.actions.parameters import PostWebhook as Parameters
from pcd.db import queries
from pcd.errors import Rejected
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.actions.teller import Teller
    from pcd.config.shape import StepWebhook
    from pcd.db.pool import Database
    from pcd.fetcher import Response
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

LARGEST_INTO = 16 * 2**10
"""Bytes of an answer that may go into the context."""

_SQL = queries.load("pcd.actions")
_SERVICE = "the webhook"
_WITHIN = timedelta(seconds=20)


class PostWebhook:
    """``post_webhook``: every try carries the same ``Idempotency-Key``, so n8n can tell a repetition.

    n8n answers at once when its node says "respond immediately": 2xx means accepted, not processed.

    Source: https://docs.n8n.io/integrations/builtin/core-nodes/n8n-nodes-base.webhook
    """

    name = "post_webhook"
    parameters = Parameters
    is_message = False

    def __init__(self, db: Database, teller: Teller, webhooks: Mapping[str, StepWebhook]) -> None:
        self._db = db
        self._teller = teller
        self._webhooks = webhooks

    async def perform(self, call: StepCall) -> Outcome:
        """Post it; what is refused fails the step. Raises UpstreamError for what got no answer."""
        told = cast("Parameters", call.parameters)
        webhook = self._webhooks.get(told.webhook)
        if told.webhook and webhook is None:
            return Fail(error=f"post_webhook: no [[workflows.webhooks]] is named {told.webhook!r}")
        try:
            body = await self._body(call, told)
        except ValueError as error:
            return Fail(error=str(error))
        if call.dry_run:
            return Done(output={"would_post": body})
        headers = {"Content-Type": "application/json", "Idempotency-Key": call.idempotency_key}
        if webhook is not None and webhook.secret:
            headers[webhook.header] = webhook.secret.reveal()
        return await _post(webhook.url.reveal() if webhook else told.url, body, headers, into=told.into)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        told = cast("Parameters", parameters)
        return f"post to {told.webhook or told.url}"

    async def _body(self, call: StepCall, told: Parameters) -> dict[str, Any]:
        event = await self._db.fetchrow(_SQL["event"], call.event_id)
        data = await self._teller.say_all(call, dict(told.data)) if told.data else _known(call)
        return {
            "event_id": str(call.event_id),
            "type": event["type"] if event else None,
            "occurred_at": event["occurred_at"].isoformat() if event else None,
            "data": data,
        }


async def _post(url: str, body: dict[str, Any], headers: Mapping[str, str], *, into: str | None) -> Outcome:
    from pcd.fetcher import Call
    from pcd.messages.poster import post

    call = Call(
        service=_SERVICE,
        method="POST",
        url=url,
        what="post_webhook",
        headers=headers,
        body=orjson.dumps(body, default=str),
    )
    try:
        response = await post(call, within=_WITHIN)
    except Rejected as error:
        return Fail(error=f"{error}: {error.body[:200]}")
    return _accepted(response, into)


def _accepted(response: Response, into: str | None) -> Outcome:
    output = {"status": response.status}
    if into is None:
        return Done(output=output)
    if len(response.body) > LARGEST_INTO:
        return Fail(error=f"post_webhook: the answer is larger than {LARGEST_INTO:,} bytes")
    try:
        return Done(output=output, context={into: msgspec.json.decode(response.body or b"null")})
    except msgspec.DecodeError:
        return Fail(error="post_webhook: the answer is not JSON, so it cannot go into the context")


def _known(call: StepCall) -> dict[str, Any]:
    return {
        "workflow": call.workflow,
        "instance_id": str(call.instance_id),
        "step": call.step,
        "entity_type": call.entity_type,
        "entity_id": call.entity_id,
        "customer_id": call.customer_id,
        "context": dict(call.context),
    }
