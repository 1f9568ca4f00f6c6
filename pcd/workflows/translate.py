"""Turn a row of the old ``automation.workflow_definitions`` into a definition as we write them. Pure.

What the old engine read in its own way is said in ours: paths into the event, bare words in conditions,
instructions in English. What cannot be said is left as it stands, and `decode` tells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pcd.events.describe import payload
from pcd.events.rules import RULES
from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.names import is_carried
from pcd.workflows.natural import leave_open, understand

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPARISON = re.compile(r"([A-Za-z_][\w.]*)\s*+(===?|!==?|>=|<=|>|<)\s*+(.+)", re.DOTALL)
_VALUE = re.compile(r"""-?[\d.]+|'[^']*'|"[^"]*"|true|false|null""", re.IGNORECASE)
_BARE = re.compile(r"(?!.* (?:and|or) )[A-Za-z][\w -]*", re.IGNORECASE)
_SIGNS = {"===": "==", "!==": "!="}


def translate(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition that *row* is, with its JSON columns decoded; nothing is refused here."""
    event = str(row["trigger_event"])
    document: dict[str, Any] = {
        "name": row["name"],
        "enabled": bool(row["enabled"]),
        "priority": row["priority"] or 0,
        "max_concurrent_per_customer": _limit(row["max_concurrent_per_customer"]),
        "trigger": {"event": event},
        "steps": row["steps"],
    }
    if row["description"]:
        document["description"] = row["description"]
    if conditions := row["trigger_conditions"]:
        document["trigger"]["conditions"] = _carried(conditions, event)
    if row["stop_conditions"]:
        document["stop"] = _stops(row["stop_conditions"])
    if isinstance(row["steps"], list):
        document["steps"] = [_step(one) for one in row["steps"]]
    return document


def condition(text: str) -> str:
    """Return a condition of the old engine as ours: one comparison, whose right side may be a bare word."""
    found = _COMPARISON.fullmatch(text.strip())
    if found is None:
        return text
    left, sign, right = found.groups()
    is_bare = _BARE.fullmatch(right) and right not in FACTS and not _VALUE.fullmatch(right)
    return f"{left} {_SIGNS.get(sign, sign)} {_quote(right) if is_bare else right}"


def _quote(text: str) -> str:
    return f"'{text}'"


def _limit(most: object) -> object:
    # The old engine took a limit of 1 as one an entity, and any other as none.
    return 1 if most is None else most


def _carried(conditions: object, event: str) -> object:
    """Name the paths into the event as facts: ``total`` is ``event.total``."""
    rule = RULES.get(event)
    if not isinstance(conditions, dict) or rule is None:
        return conditions
    keys = payload(rule)

    def name_of(path: str) -> str:
        if path in FACTS and is_carried(path, rule):
            return path
        return f"event.{path}" if path.partition(".")[0] in keys else path

    return {name_of(str(path)): value for path, value in conditions.items()}


def _stops(stops: object) -> object:
    if not isinstance(stops, list):
        return stops
    return [condition(one) if isinstance(one, str) else one for one in stops]


def _step(step: object) -> object:
    """Return an old step in our keys; its number says nothing, the old engine took steps as they stand."""
    if not isinstance(step, dict):
        return step
    found: dict[str, Any] = {
        key: value for key, value in step.items() if key not in {"step", "condition", "action", "delay"}
    }
    if step.get("delay"):
        found["delay"] = step["delay"]
    if isinstance(step.get("condition"), str) and step["condition"].strip():
        found["when"] = condition(step["condition"])
    action = step.get("action")
    if isinstance(action, str) and not re.fullmatch(r"[a-z][a-z0-9_]*", action):
        understood = understand(action) or leave_open(action)
        found |= {"action": understood.action, "with": understood.parameters}
    elif action is not None:
        found["action"] = action
    return found
