"""Say what changes mean: which facts, which rows cannot be judged, what falls due when. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pcd.changes.change import Change
from pcd.events.event import LONG_AGO, Halt, Parked, Verdict
from pcd.events.judge import fall_due, judge, step_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.events.event import Due, EventRule, RowKey, Situation
    from pcd.events.judge import Step

T = TypeVar("T")
_UNITS = "business_units"


def classify(changes: Iterable[Change], situation: Situation, rules: Mapping[str, EventRule]) -> Verdict:
    """Return what *changes*, in the order given, mean under *rules*.

    Facts come in the order of their changes. A row that a rule cannot judge is parked as it was when it
    could be judged last, and judged against that as soon as it changes or what it waits for arrives. A rule
    that raises is halted, alone, from that change on.
    """
    reading = _Reading(situation, rules)
    for change in changes:
        reading.read(change)
    return reading.verdict


def reconsider(parked: Iterable[Parked], situation: Situation, rules: Mapping[str, EventRule]) -> Verdict:
    """Return what it means to judge *parked* rows again as they are now, in the order of their changes."""
    reading = _Reading(situation, rules)
    for one in sorted(parked, key=lambda each: each.change_id):
        reading.judge_again(one)
    return reading.verdict


def come_due(due: Iterable[Due], situation: Situation, rules: Mapping[str, EventRule]) -> Verdict:
    """Return what it means that the moments of *due* have come."""
    verdict = Verdict()
    halted = set(situation.halted)
    for one in due:
        if one.type in halted:
            continue
        try:
            fact = fall_due(rules[one.type], one, situation.surroundings)
        except Exception as error:  # noqa: BLE001 - as above
            halted.add(one.type)
            verdict.halts.append(_halt(one.type, one.change_id or 0, error))
        else:
            verdict.facts.append(fact)
            verdict.due[one.type, one.st_id] = None
    return verdict


class _Reading:
    """A batch as it is read: what was known before it, overlaid with what was learnt from it."""

    def __init__(self, situation: Situation, rules: Mapping[str, EventRule]) -> None:
        self.verdict = Verdict()
        self._situation = situation
        self._rules = rules
        self._around = situation.surroundings
        self._halted = set(situation.halted)
        self._parked = dict(situation.parked)
        self._due = dict(situation.due)
        self._of: dict[str, list[EventRule]] = {}
        for rule in rules.values():
            self._of.setdefault(rule.resource, []).append(rule)

    def read(self, change: Change) -> None:
        """Apply every rule that watches the row, then let in what waited for it."""
        if change.resource == _UNITS:
            self._learn_unit(change)
        rules = self._of.get(change.resource)
        baseline = self._situation.baselines.get(change.resource, LONG_AGO)
        if rules and change.changed_at >= baseline:
            step = step_of(change, baseline=baseline)
            for rule in rules:
                self._apply(rule, step)
        if change.op == "I":
            self._let_in((change.resource, change.st_id))

    def judge_again(self, one: Parked) -> None:
        """Judge a parked row as it is."""
        if one.type in self._rules:
            again = Change(
                id=one.change_id,
                resource=one.resource,
                st_id=one.st_id,
                op="U",
                before=one.before,
                after=one.state,
                xid=0,
                changed_at=one.changed_at,
            )
            self._parked[one.type, one.st_id] = one
            baseline = self._situation.baselines.get(one.resource, LONG_AGO)
            self._apply(self._rules[one.type], step_of(again, baseline=baseline))

    def _learn_unit(self, change: Change) -> None:
        if change.after is not None:
            self.verdict.units[change.st_id] = str(change.after.get("name") or "")
            self._around = replace(self._around, units={**self._around.units, **self.verdict.units})

    def _let_in(self, arrived: tuple[str, int]) -> None:
        for one in [each for each in self._parked.values() if each.waits_for == arrived]:
            self.judge_again(one)

    def _apply(self, rule: EventRule, step: Step) -> None:
        if rule.type in self._halted:
            return
        key = (rule.type, step.st_id)
        parked, due = self._parked.get(key), self._due.get(key)
        try:
            ruling = judge(rule, step, parked=parked, due=due, around=self._around)
        except Exception as error:  # noqa: BLE001 - a bug in one rule must not stop the others
            self._halted.add(rule.type)
            self.verdict.halts.append(_halt(rule.type, step.change_id or 0, error))
            return
        self.verdict.facts += ruling.facts
        if ruling.parked is not parked:
            _keep(self._parked, self.verdict.parked, key, ruling.parked)
        if ruling.due is not due:
            _keep(self._due, self.verdict.due, key, ruling.due)


def _halt(type_: str, change_id: int, error: Exception) -> Halt:
    return Halt(type=type_, change_id=change_id, error=f"{type(error).__name__}: {error}")


def _keep(known: dict[RowKey, T], told: dict[RowKey, T | None], key: RowKey, value: T | None) -> None:
    """Let *value* stand under *key*, and tell it where that is news."""
    if known.get(key) == value:
        return
    told[key] = value
    if value is None:
        del known[key]
    else:
        known[key] = value
