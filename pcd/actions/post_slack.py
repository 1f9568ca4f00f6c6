"""Posts a message to a Slack channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import orjson

from pcd.actions.parameters import PostSlack as Parameters
from pcd.errors import Rejected
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from pcd.actions.teller import Teller
    from pcd.config.secret import Secret
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class PostSlack:
    """``post_slack``: an incoming webhook. A try without an answer is repeated, so a notice may come twice.

    Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """

    name = "post_slack"
    parameters = Parameters
    is_message = False

    def __init__(self, teller: Teller, default: Secret, webhooks: Mapping[str, Secret]) -> None:
        """*default* is the address of ``[alerts.slack]``, *webhooks* are others by name."""
        self._teller = teller
        self._default = default
        self._webhooks = webhooks

    async def perform(self, call: StepCall) -> Outcome:
        """Post it; what Slack refuses fails the step. Raises UpstreamError for what got no answer."""
        told = cast("Parameters", call.parameters)
        address = self._webhooks.get(told.webhook) if told.webhook else self._default
        if address is None:
            return Fail(error=f"post_slack: no [[workflows.webhooks]] is named {told.webhook!r}")
        try:
            text = await self._teller.say(call, told.text, escape=escape)
        except ValueError as error:
            return Fail(error=str(error))
        if call.dry_run:
            return Done(output={"would_post": text})
        if not address:
            return Fail(error="post_slack: alerts.slack.webhook_url is not set")
        return await _post(address.reveal(), text)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        told = cast("Parameters", parameters)
        return f"tell Slack: {told.text}"


def escape(text: str) -> str:
    """Return *text* as Slack shows it: no mention and no link comes out of a customer's name.

    Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _post(url: str, text: str) -> Outcome:
    from pcd.fetcher import Call
    from pcd.messages.poster import post

    call = Call(
        service="Slack",
        method="POST",
        url=url,
        what="post_slack",
        headers={"Content-Type": "application/json"},
        body=orjson.dumps({"text": text}),
    )
    try:
        await post(call)
    except Rejected as error:
        return Fail(error=f"{error}: {error.body[:200]}")
    return Done()
