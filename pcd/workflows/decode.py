"""Make a workflow of a definition, or say all that is wrong with it. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from pcd.errors import ConditionError, DefinitionError
from pcd.events.rules import RULES
from pcd.workflows.conditions import ALWAYS, check, compile_structure, parse, write
from pcd.workflows.conditions.condition import And
from pcd.workflows.decode_step import decode_step, hours
from pcd.workflows.facts.names import kinds_at, kinds_for
from pcd.workflows.facts.statements import ENTITIES
from pcd.workflows.sheet import Sheet, nearest
from pcd.workflows.workflow import Stop, Trigger, Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from pcd.workflows.conditions import Condition, Kinds
    from pcd.workflows.workflow import Step

MOST_STEPS = 100
DEEPEST = 50
_LARGEST = 2**53
_NO_MEANING = ("enabled", "description")


def decode(document: Mapping[str, Any], *, source: str, row_id: UUID | None = None) -> Workflow:
    """Return the workflow that *document* defines; raises DefinitionError with everything that is wrong.

    What the actions must be told, and which templates there are, `pcd.workflows.validate` checks.
    """
    problems: list[str] = []
    plain = _plain(document, "", problems) or {}
    sheet = Sheet(plain, place="", problems=problems)
    name = sheet.text("name", longest=255)
    trigger, kinds = _trigger(sheet)
    around = hours(sheet, "business_hours")
    workflow = Workflow(
        name=name,
        version=version_of(plain),
        source=source,
        row_id=row_id,
        trigger=trigger,
        steps=_steps(sheet, kinds, around),
        stops=tuple(
            _stop(one, f"stop {n}", problems, kinds) for n, one in enumerate(sheet.sheets("stop"), 1)
        ),
        description=sheet.text("description", ""),
        is_enabled=sheet.truth("enabled", default=False),
        max_concurrent_per_customer=sheet.number("max_concurrent_per_customer", 1, least=0, most=1000),
        priority=sheet.number("priority", 0, least=-1000, most=1000),
        document=plain,
    )
    sheet.finish()
    if problems:
        raise DefinitionError(source, problems, name=name)
    return workflow


def version_of(document: Mapping[str, Any]) -> str:
    """Return the hash of what *document* means, whatever the order of its keys."""
    meaning = {key: value for key, value in document.items() if key not in _NO_MEANING}
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def condition_of(sheet: Sheet, key: str, kinds: Kinds) -> Condition | None:
    """Return the condition that stands under *key* as a text, or as facts with operators; None for none."""
    value = sheet.take(key)
    if value is None:
        return None
    try:
        found = parse(value) if isinstance(value, str) else compile_structure(value)
    except ConditionError as error:
        sheet.wrong(key, str(error) if isinstance(value, str) else error.message)
        return None
    for wrong in check(found, kinds):
        sheet.wrong(key, str(wrong) if isinstance(value, str) else wrong.message)
    return found


def _trigger(sheet: Sheet) -> tuple[Trigger, Kinds]:
    inner = Sheet(sheet.take("trigger") or {}, place="trigger", problems=sheet.problems)
    event = inner.text("event")
    if event and event not in RULES:
        inner.wrong("event", f"there is no event {event!r}; {nearest(event, RULES)}")
    if event not in RULES:
        return Trigger(event=event), _any
    conditions = [condition_of(inner, key, kinds_at(event)) for key in ("when", "conditions")]
    given = tuple(one for one in conditions if one is not None)
    inner.finish()
    entity = RULES[event].entity
    condition = And(conditions=given) if len(given) > 1 else next(iter(given), ALWAYS)
    return Trigger(event=event, condition=condition), kinds_for(event, ENTITIES[entity])


def _any(_: str) -> None:
    """Stand in for the kinds of facts where the event is not known."""


def _stop(value: object, place: str, problems: list[str], kinds: Kinds) -> Stop:
    sheet = Sheet({"when": value} if isinstance(value, str) else value, place=place, problems=problems)
    condition = condition_of(sheet, "when", kinds)
    if condition is None:
        if not sheet.take("when"):
            sheet.wrong("when", "expected a condition")
        condition = ALWAYS
    reason = sheet.text("reason", write(condition)[:255], longest=255)
    sheet.finish()
    return Stop(condition=condition, reason=reason)


def _steps(sheet: Sheet, kinds: Kinds, around: Any) -> tuple[Step, ...]:  # noqa: ANN401 - Hours or None
    found = sheet.sheets("steps")
    if not found or len(found) > MOST_STEPS:
        sheet.wrong("steps", f"expected between 1 and {MOST_STEPS} steps, found {len(found)}")
        return ()
    names = [
        str(one.get("name") or f"step_{number}") if isinstance(one, dict) else f"step_{number}"
        for number, one in enumerate(found, 1)
    ]
    for name in {name for name in names if names.count(name) > 1}:
        sheet.wrong("steps", f"several steps are named {name!r}")
    return tuple(
        decode_step(
            Sheet(one, place=f"step {number}", problems=sheet.problems),
            number,
            names,
            kinds=kinds,
            around=around,
            condition_of=condition_of,
        )
        for number, one in enumerate(found, 1)
    )


def _plain(value: Any, place: str, problems: list[str], depth: int = 0) -> Any:  # noqa: ANN401, PLR0911 - any tree
    """Return a tree as JSON has it, dates as texts; what the database could not keep is a problem."""
    if depth > DEEPEST:
        problems.append(f"{place}: nested deeper than {DEEPEST}")
        return None
    match value:
        case None | bool():
            return value
        case datetime() | date():
            return value.isoformat()
        case time():
            return value.isoformat("minutes")
        case str() if "\0" not in value:
            return value
        case int() | float() if -_LARGEST <= value <= _LARGEST:
            return value
        case dict() if not any("\0" in str(key) for key in value):
            return {
                str(key): _plain(one, f"{place}.{key}" if place else str(key), problems, depth + 1)
                for key, one in value.items()
            }
        case list() | tuple():
            return [_plain(one, f"{place} {n}", problems, depth + 1) for n, one in enumerate(value, 1)]
        case _:
            problems.append(f"{place}: a value that cannot be kept")
            return None
