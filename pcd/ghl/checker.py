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
_SUBACCOUNT = "locations.readonly"
_WHERE = "in the private integration's settings (Settings > Private Integrations)"


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
    there = await _ask(ghl, _SUBACCOUNT, ghl.subaccount())
    if there.value is None and there.finding.subject != f"right {_SUBACCOUNT}":
        return [there.finding]
    findings = [Finding(ok=True, subject="token", text="is accepted")]
    findings += subaccount_findings(there.value) if there.value is not None else ()
    findings += [there.finding, await _contacts(ghl)]
    pipelines = await _ask(ghl, "opportunities.readonly", ghl.pipelines())
    findings += [pipelines.finding]
    if pipelines.value is not None:
        findings += pipeline_findings(ghl.settings, pipelines.value)
    findings += await _fields(ghl)
    findings += [(await _ask(ghl, "users.readonly", ghl.users())).finding]
    findings += [await _messages(ghl)] if sends_messages else []
    return [*findings, *_unseen(sends_messages=sends_messages)]


async def _contacts(ghl: GoHighLevel) -> Finding:
    answer = await _ask(ghl, "contacts.readonly", ghl.find_duplicate(email="nobody@example.invalid"))
    return answer.finding


async def _fields(ghl: GoHighLevel) -> list[Finding]:
    right = "locations/customFields.readonly"
    contact = await _ask(ghl, right, ghl.custom_fields("contact"))
    if contact.value is None:
        return [contact.finding]
    opportunity = await _ask(ghl, right, ghl.custom_fields("opportunity"))
    if opportunity.value is None:
        return [opportunity.finding]
    found = field_findings(ghl.settings, contact=contact.value, opportunity=opportunity.value)
    return [contact.finding, *found]


async def _messages(ghl: GoHighLevel) -> Finding:
    """Ask for the conversations of nobody."""
    answer = await _ask(ghl, "conversations.readonly", ghl.messages("nobody", limit=1))
    return answer.finding


def _unseen(*, sends_messages: bool) -> Iterator[Finding]:
    names = f"{_UNSEEN}, conversations/message.write" if sends_messages else _UNSEEN
    told = f"{names} cannot be tried without writing: see that they are ticked"
    yield Finding(ok=True, subject="rights to write", text=told)


async def _ask(ghl: GoHighLevel, right: str, asked: Awaitable[T]) -> _Answer[T]:
    """Return the answer, and whether the token has the *right* that it needs."""
    try:
        value = await asked
    except Unauthorized as error:
        return _Answer(None, _refused(ghl, error))
    except WrongPlace as error:
        return _Answer(None, _misplaced(ghl, right, error))
    except UpstreamError as error:
        remedy = "see that the network and ghl.api_url are as they should be, then try again"
        return _Answer(None, Finding(ok=False, subject="connection", text=str(error), remedy=remedy))
    return _Answer(value, Finding(ok=True, subject=f"right {right}", text="is granted"))


def _refused(ghl: GoHighLevel, error: Unauthorized) -> Finding:
    remedy = (
        "`pcd ghl authorize` lets the app in anew"
        if ghl.settings.oauth.client_id
        else "put the token of a private integration there that was made in the subaccount itself"
    )
    return Finding(ok=False, subject="token", text=f"is not accepted: {error}", remedy=remedy)


def _misplaced(ghl: GoHighLevel, right: str, error: WrongPlace) -> Finding:
    """Return what an answer means that the token as such was good for."""
    match error.cause:
        case "scope":
            remedy = f"tick {right} {_WHERE}; the token stays the same"
            return Finding(ok=False, subject=f"right {right}", text="is missing", remedy=remedy)
        case "location":
            text = f"the token is good, but belongs to another one than {ghl.settings.location_id}"
            remedy = "set ghl.location_id (GHL_LOCATION_ID) to the one in which the token was made"
            return Finding(ok=False, subject="subaccount", text=text, remedy=remedy)
        case _:
            remedy = "see whether there is a newer pcd: what it asks for is not served any more"
            return Finding(ok=False, subject=f"right {right}", text=str(error), remedy=remedy)
