"""Tells what actions would do, and whether a message might go, without doing anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pcd.config import durations
from pcd.messages import compose
from pcd.messages.message import Channel, Mode
from pcd.messages.vet import Drop, Hold, Send, vet
from pcd.workflows.outcome import Blocked, Done, Fail, Wait
from pcd.workflows.simulate import Played

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from pcd.messages.reader import Template
    from pcd.messages.vet import Standing
    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.outcome import Outcome
    from pcd.workflows.simulate import Turn

CHANNELS: Mapping[str, Channel] = MappingProxyType({"send_sms": Channel.SMS, "send_email": Channel.EMAIL})
_NOBODY: Mapping[Channel, Standing | str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A stage on which nothing happens.

    *standings* say for each channel where the customer stands, or why it cannot be reached at all; a
    channel without one is not judged. *has_agent* says whether there is anybody to ask.
    """

    zone: ZoneInfo
    templates: Mapping[str, Template]
    standings: Mapping[Channel, Standing | str] = field(default_factory=lambda: _NOBODY)
    has_agent: bool = False

    def facts_for(self, action: str, parameters: Mapping[str, Any]) -> frozenset[str]:
        """Return the facts that the action's texts mention."""
        texts = self._texts(action, parameters)
        return frozenset().union(*(text.facts for one in texts for text in compose.parse_all(one)))

    def play(
        self, action: str, parameters: Mapping[str, Any], facts: Mapping[str, Value], turn: Turn
    ) -> Played:
        """Return what the action would come to, and what it would say."""
        try:
            if action in CHANNELS:
                return self._send(action, parameters, facts, turn)
            if action == "wait":
                return _wait(parameters, turn)
            told = self._told(parameters, facts)
        except ValueError as error:
            return Played(Fail(error=str(error)), "")
        if action == "ask_agent":
            if not self.has_agent:
                return Played(Fail(error="there is no agent to ask: ai.api_key is not set"), told)
            return Played(Done(messages=1), f"asks the agent: {told}")
        return Played(Done(), told)

    def _send(
        self, action: str, parameters: Mapping[str, Any], facts: Mapping[str, Value], turn: Turn
    ) -> Played:
        template = parameters.get("template")
        if template and template not in self.templates:
            return Played(Fail(error=f"there is no template {template!r}"), "")
        told = "\n".join(
            compose.render(compose.parse(one), facts, zone=self.zone)
            for one in self._texts(action, parameters)
            if one
        )
        return Played(self._vetted(CHANNELS[action], turn), told)

    def _vetted(self, channel: Channel, turn: Turn) -> Outcome:
        standing = self.standings.get(channel)
        if standing is None:
            return Done(messages=1)
        if isinstance(standing, str):
            return Blocked(reason=standing)
        counted = replace(standing, sent_at=(*standing.sent_at, *turn.sent_at))
        match vet(counted, channel=channel, mode=Mode.LIVE, now=turn.now):
            case Send():
                return Done(messages=1)
            case Hold(until=until, reason=reason):
                return Blocked(reason=reason, until=until)
            case Drop(reason=reason):
                return Blocked(reason=reason)

    def _texts(self, action: str, parameters: Mapping[str, Any]) -> list[Any]:
        if action not in CHANNELS:
            return [value for key, value in parameters.items() if key != "sql"]
        if template := self.templates.get(str(parameters.get("template"))):
            return [template.subject, template.body]
        return [parameters.get("subject", ""), parameters.get("text", "")]

    def _told(self, parameters: Mapping[str, Any], facts: Mapping[str, Value]) -> str:
        return "; ".join(
            f"{key}: {value if key == 'sql' else self._said(value, facts)}"
            for key, value in parameters.items()
        )

    def _said(self, value: object, facts: Mapping[str, Value]) -> str:
        match value:
            case str():
                return compose.render(compose.parse(value), facts, zone=self.zone)
            case dict():
                return ", ".join(f"{key} = {self._said(one, facts)}" for key, one in value.items())
            case list() | tuple():
                return ", ".join(self._said(one, facts) for one in value)
            case _:
                return str(value)


def _wait(parameters: Mapping[str, Any], turn: Turn) -> Played:
    until = turn.waited_until or turn.now + durations.parse(str(parameters.get("for", "")))
    if until <= turn.now:
        return Played(Done(), "")
    return Played(Wait(until=until, reason="waits"), "")
