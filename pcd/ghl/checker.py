"""Tells a person whether everything over there is as the configuration says. It never writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pcd.errors import Unauthorized, UpstreamError, WrongPlace
from pcd.ghl.vet import Finding, field_findings, pipeline_findings, settings_findings, subaccount_findings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from pcd.ghl.client import GoHighLevel

__all__ = ["Finding", "check"]

T = TypeVar("T")

_UNSEEN = "contacts.write, opportunities.write"


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    """What was asked for, or why there is nothing."""

    value: T | None
    finding: Finding


async def check(ghl: GoHighLevel, *, sends_messages: bool = False) -> list[Finding]:
    """Return what is right and what is wrong with the token, its rights and the subaccount; never raises.

    *sends_messages* asks for the rights that messages through GoHighLevel need too.
    """
    findings = list(settings_findings(ghl.settings))
    if findings:
        return findings
    there = await _ask("locations.readonly", ghl.subaccount())
    if there.value is None:
        return [there.finding]
    findings = [Finding(ok=True, subject="token", text="is accepted"), *subaccount_findings(there.value)]
    findings += [there.finding, await _contacts(ghl)]
    pipelines = await _ask("opportunities.readonly", ghl.pipelines())
    findings += [pipelines.finding]
    if pipelines.value is not None:
        findings += pipeline_findings(ghl.settings, pipelines.value)
    findings += await _fields(ghl)
    findings += [(await _ask("users.readonly", ghl.users())).finding]
    findings += [await _messages(ghl)] if sends_messages else []
    return [*findings, *_unseen(sends_messages=sends_messages)]


async def _contacts(ghl: GoHighLevel) -> Finding:
    answer = await _ask("contacts.readonly", ghl.find_duplicate(email="nobody@example.invalid"))
    return answer.finding


async def _fields(ghl: GoHighLevel) -> list[Finding]:
    right = "locations/customFields.readonly"
    contact = await _ask(right, ghl.custom_fields("contact"))
    if contact.value is None:
        return [contact.finding]
    opportunity = await _ask(right, ghl.custom_fields("opportunity"))
    if opportunity.value is None:
        return [opportunity.finding]
    found = field_findings(ghl.settings, contact=contact.value, opportunity=opportunity.value)
    return [contact.finding, *found]


async def _messages(ghl: GoHighLevel) -> Finding:
    """Ask for the conversations of nobody."""
    answer = await _ask("conversations.readonly", ghl.messages("nobody", limit=1))
    return answer.finding


def _unseen(*, sends_messages: bool) -> Iterator[Finding]:
    names = f"{_UNSEEN}, conversations/message.write" if sends_messages else _UNSEEN
    told = f"{names} cannot be tried without writing: see that they are ticked"
    yield Finding(ok=True, subject="rights to write", text=told)


async def _ask(right: str, asked: Awaitable[T]) -> _Answer[T]:
    """Return the answer, and whether the token has the *right* that it needs."""
    subject = f"right {right}"
    try:
        value = await asked
    except Unauthorized as error:
        remedy = (
            "put the token of the subaccount's private integration there; a rotated one is found by itself"
        )
        return _Answer(None, Finding(ok=False, subject="token", text=str(error), remedy=remedy))
    except WrongPlace as error:
        is_place = error.cause == "location"
        what = "subaccount" if is_place else subject
        remedy = (
            "set ghl.location_id to the subaccount in which the token was made"
            if is_place
            else f"tick {right} in the private integration's settings"
        )
        return _Answer(None, Finding(ok=False, subject=what, text=str(error), remedy=remedy))
    except UpstreamError as error:
        text = f"could not be asked for: {error}"
        return _Answer(None, Finding(ok=False, subject=subject, text=text, remedy="try again later"))
    return _Answer(value, Finding(ok=True, subject=subject, text="is granted"))
