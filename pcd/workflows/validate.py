"""Check what steps are told: actions, their parameters, templates, webhooks, the facts in texts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from pcd.errors import ConditionError, DefinitionError
from pcd.events.rules import RULES
from pcd.workflows.facts.names import kinds_for
from pcd.workflows.facts.statements import ENTITIES
from pcd.workflows.sheet import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pcd.workflows.catalogue import ActionKind, Catalogue
    from pcd.workflows.workflow import Workflow

# A statement of the query action takes facts as parameters only.
_NOT_A_TEXT = "sql"
_NO_TEMPLATES: Mapping[str, Template] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What validation has to know of a message template: its *channel*, and the facts that it mentions."""

    channel: str
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is besides events and facts.

    *facts_in* returns the facts that a text mentions, and raises ValueError for one that cannot be read.
    *templates* None means that they are not known now: then none is missed. *webhooks* are the names of
    those that steps may post to.
    """

    actions: Catalogue
    facts_in: Callable[[str], frozenset[str]]
    templates: Mapping[str, Template] | None = field(default_factory=lambda: _NO_TEMPLATES)
    webhooks: frozenset[str] = frozenset()


def validate(workflow: Workflow, known: Known) -> None:
    """Raise DefinitionError with everything that is wrong with what the steps are told."""
    problems = list(problems_of(workflow, known))
    if problems:
        raise DefinitionError(workflow.source, problems, name=workflow.name)


def problems_of(workflow: Workflow, known: Known) -> Iterator[str]:
    """Yield what is wrong with what the steps of *workflow* are told, each with its place."""
    entity = RULES[workflow.trigger.event].entity
    declared = kinds_for(workflow.trigger.event, ENTITIES[entity])
    put_there = {step.parameters.get("into") for step in workflow.steps}

    def kind_of(name: str) -> type | None:
        return None if name.partition(".")[0] in put_there else declared(name)

    for step in workflow.steps:
        place = f"step {step.number}"
        yield from _told(place, step.action, step.parameters, known, kind_of)
        if step.fallback is not None:
            inner = f"{place}.fallback"
            yield from _told(inner, step.fallback.action, step.fallback.parameters, known, kind_of)


def _told(
    place: str,
    action: str,
    parameters: Mapping[str, Any],
    known: Known,
    kind_of: Callable[[str], type | None],
) -> Iterator[str]:
    kind = known.actions.get(action)
    if kind is None:
        yield f"{place}.action: there is no action {action!r}; {nearest(action, known.actions)}"
        return
    fields = {one.encode_name for one in msgspec.structs.fields(kind.parameters)}
    strangers = sorted(set(parameters) - fields)
    for name in strangers:
        yield f"{place}.with.{name}: {action} has no such parameter; {nearest(name, fields)}"
    try:
        msgspec.convert(
            {name: value for name, value in parameters.items() if name in fields},
            kind.parameters,
            strict=False,
        )
    except msgspec.ValidationError as error:
        yield f"{place}.with: {error}"
        return
    yield from _texts(f"{place}.with", parameters, known, kind_of)
    yield from _template(place, kind, parameters, known, kind_of)
    yield from _webhook(place, parameters, known)


def _texts(place: str, value: object, known: Known, kind_of: Callable[[str], type | None]) -> Iterator[str]:
    match value:
        case str():
            try:
                mentioned = known.facts_in(value)
            except ValueError as error:
                yield f"{place}: {error}"
                return
            yield from _facts(place, mentioned, kind_of)
        case dict():
            for key, one in value.items():
                if key == _NOT_A_TEXT:
                    continue
                yield from _texts(f"{place}.{key}", one, known, kind_of)
        case list() | tuple():
            for position, one in enumerate(value, 1):
                yield from _texts(f"{place} {position}", one, known, kind_of)


def _template(
    place: str,
    kind: ActionKind,
    parameters: Mapping[str, Any],
    known: Known,
    kind_of: Callable[[str], type | None],
) -> Iterator[str]:
    name = parameters.get("template")
    if not name or not isinstance(name, str) or known.templates is None:
        return
    where = f"{place}.with.template"
    template = known.templates.get(name)
    if template is None:
        yield f"{where}: there is no template {name!r}; {nearest(name, known.templates)}"
        return
    if kind.name.removeprefix("send_") != template.channel:
        yield f"{where}: {name!r} is a template for {template.channel}, not for {kind.name}"
    yield from _facts(f"{where} {name!r}", template.facts, kind_of)


def _webhook(place: str, parameters: Mapping[str, Any], known: Known) -> Iterator[str]:
    name = parameters.get("webhook")
    if name and name not in known.webhooks:
        hint = nearest(name, known.webhooks)
        yield f"{place}.with.webhook: there is no webhook {name!r} in [[workflows.webhooks]]; {hint}"


def _facts(place: str, mentioned: frozenset[str], kind_of: Callable[[str], type | None]) -> Iterator[str]:
    for name in sorted(mentioned):
        try:
            kind_of(name)
        except ConditionError as error:
            yield f"{place}: {error.message}"
