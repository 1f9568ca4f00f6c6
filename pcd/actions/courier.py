"""Hands the messages of steps to the messenger, and says what that means for the step."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from pcd.messages.mail import as_html, as_text, is_html
from pcd.messages.message import (
    Channel,
    Dismissed,
    Message,
    Overtaken,
    Parked,
    Possible,
    Rehearsed,
    Sent,
    Unaddressed,
    Unsent,
    Withheld,
)
from pcd.workflows.outcome import Blocked, Done, Fail, Retry, Wait

if TYPE_CHECKING:
    from pcd.clock import Clock
    from pcd.messages.message import Result
    from pcd.messages.messenger import Messenger
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

LONGEST_SMS = 1_600
"""Characters: what carriers and providers take at most, as some ten parts.

Source: https://www.twilio.com/docs/errors/21617
"""


class Courier:
    """Delivers finished texts to the customer of an instance, and to nobody else."""

    def __init__(self, messenger: Messenger, *, clock: Clock) -> None:
        self._messenger = messenger
        self._clock = clock

    async def sms(self, call: StepCall, text: str, *, key: str, template: str = "") -> Outcome:
        """Send *text*; *key* is sent once."""
        if not text:
            return Fail(error="the text message is empty")
        if len(text) > LONGEST_SMS:
            return Fail(error=f"the text message has {len(text)} characters, {LONGEST_SMS} are possible")
        return await self._deliver(call, Channel.SMS, text, key=key, template=template)

    async def email(
        self, call: StepCall, text: str, *, subject: str, key: str, template: str = ""
    ) -> Outcome:
        """Send *text*, HTML when it begins with a tag, under *subject*; *key* is sent once."""
        subject = " ".join(subject.split())
        if not (text and subject):
            return Fail(error=f"the e-mail has no {'subject' if text else 'text'}")
        return await self._deliver(call, Channel.EMAIL, text, key=key, template=template, subject=subject)

    async def _deliver(
        self, call: StepCall, channel: Channel, text: str, *, key: str, template: str, subject: str = ""
    ) -> Outcome:
        if call.customer_id is None:
            return Fail(error="the event names no customer, so there is nobody to write to")
        html = (text if is_html(text) else as_html(text)) if channel is Channel.EMAIL else ""
        message = Message(
            key=key,
            channel=channel,
            customer_id=call.customer_id,
            text=as_text(text) if html and is_html(text) else text,
            subject=subject,
            html=html,
            template=template,
            instance_id=call.instance_id,
            job_id=call.entity_id if call.entity_type == "job" else None,
            instead_of=_original(call.idempotency_key),
            about={"workflow": call.workflow, "step": call.step},
        )
        result = await self._messenger.send(message, still_wanted=call.still_allowed, only_ask=call.dry_run)
        return self._outcome(result, message)

    def _outcome(self, result: Result, message: Message) -> Outcome:  # noqa: PLR0911 - one a result
        match result:
            case Sent():
                output = {
                    "message_id": str(result.log_id),
                    "provider_message_id": result.provider_message_id,
                    "sent_at": result.at.isoformat(),
                }
                return Done(output=output, messages=1)
            case Rehearsed():
                return Done(output={"message_id": str(result.log_id), "dry_run": True}, messages=1)
            case Possible():
                told = {"channel": message.channel.value, "subject": message.subject, "text": message.text}
                return Done(output={"would_send": told}, messages=1)
            case Withheld():
                return Blocked(reason=result.reason, until=result.until)
            case Overtaken():
                # Judged anew at once, the instance stops and says why.
                return Wait(until=self._clock.now(), reason=result.reason)
            case Parked():
                short = str(result.log_id)[:8]
                text = (
                    f"message {short} may have gone out ({result.reason}); look at the provider, then "
                    f"pcd messages release {short} or pcd messages drop {short}, and retry the instance"
                )
                return Fail(error=text, is_unknown=True)
            case Unaddressed():
                return Fail(error=result.reason, is_dispensable=True)
            case Unsent():
                return _not_sent(result)
            case Dismissed():
                return Done(output={"message_id": str(result.log_id), "dropped": "by a person"})
            case _:
                assert_never(result)


def _not_sent(result: Unsent) -> Outcome:
    if result.is_final:
        return Fail(error=result.reason)
    after = None if result.retry_after is None else timedelta(seconds=result.retry_after)
    return Retry(error=result.reason, after=after)


def _original(key: str) -> str:
    """Return the key of the step that *key*'s action is the fallback of, "" when it is none."""
    original, separator, _ = key.partition(":fallback")
    return original if separator else ""
