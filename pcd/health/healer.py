"""Tries what is safe when something fails, measures again, and asks a person for the rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import anyio

from pcd.errors import LeaseLost, PcdError
from pcd.health.check import Level, Verdict
from pcd.health.prescribe import Act, Hold, prescribe
from pcd.health.remedy import ASK_PERSON, REMEDIES, Mode, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.health.alerts import Alerts
    from pcd.health.check import Check, Scope
    from pcd.health.diagnose import Diagnosis
    from pcd.health.ledger import Ledger
    from pcd.health.monitor import Monitor
    from pcd.health.remedy import Remedy

Deed: TypeAlias = "Callable[[str], Awaitable[str]]"
"""Carries a remedy out for one service or subject, and returns what was done."""

Ask: TypeAlias = "Callable[[Verdict, str], Awaitable[Diagnosis | None]]"
"""Asks what is wrong, given what was tried in vain; None where nobody can say."""

_log = logging.getLogger(__name__)
_MEASURE_EVERY = 2.0
_MEASURE_LATER = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """One remedy for one subject of one check, and who decided it."""

    check: Check
    remedy: Remedy
    subject: str
    found: Verdict
    decided_by: str = "rule"


class Healer:
    """A service: looks after the checks of one *scope*, told by *monitor* what is wrong.

    A remedy is carried out when its limits allow it; it has helped when the check is better afterwards.
    What is not healed becomes an alert under a key that ends in *place*, and what no rule covers is shown to
    *ask* first, whose advice is followed only where the remedy is safe and the confidence high. *observe*
    hears the remedy and the result of each try.
    """

    def __init__(  # noqa: PLR0913 - it brings everything together
        self,
        name: str,
        monitor: Monitor,
        *,
        scope: Scope,
        checks: Mapping[str, Check],
        alerts: Alerts,
        ledger: Ledger,
        deeds: Mapping[str, Deed],
        ask: Ask,
        mode: Callable[[], Mode],
        clock: Clock,
        place: str = "",
        observe: Callable[[str, str], None] = lambda _remedy, _result: None,
    ) -> None:
        self.name = name
        self._monitor = monitor
        self._checks = {key: check for key, check in checks.items() if check.scope is scope}
        self._alerts = alerts
        self._ledger = ledger
        self._deeds = deeds
        self._ask = ask
        self._mode = mode
        self._clock = clock
        self._place = place
        self._observe = observe
        self._busy: set[str] = set()
        self._asked: dict[str, object] = {}
        self._advice: dict[str, str] = {}

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Look after every round of the monitor until cancelled; raises LeaseLost."""
        task_status.started()
        rounds = -1
        async with anyio.create_task_group() as group:
            while True:
                verdicts = await self._monitor.after(max(rounds, 0))
                rounds = self._monitor.rounds
                for name in self._checks.keys() & verdicts.keys() - self._busy:
                    self._busy.add(name)
                    group.start_soon(self._look_after, verdicts[name])

    async def _look_after(self, verdict: Verdict) -> None:
        try:
            await self._treat(self._checks[verdict.check], verdict)
        finally:
            self._busy.discard(verdict.check)

    async def _treat(self, check: Check, verdict: Verdict) -> None:
        key = self._key(check)
        if verdict.level is Level.OK:
            self._alerts.resolve(key, text=verdict.text)
            self._asked.pop(check.name, None)
            self._advice.pop(check.name, None)
            return
        remedy = REMEDIES.get(check.remedy, ASK_PERSON)
        if not remedy.is_automatic:
            advice = "" if check.remedy else await self._advised(check, verdict, tried="")
            await self._tell(check, advice=advice)
            return
        if verdict.level is Level.WARN:
            # Not bad enough to act on, and not yet worth a person's time.
            return
        if any(part.needs_person for part in verdict.parts if part.level is Level.FAIL):
            await self._tell(check, advice="")
        for subject in (check.heals,) if check.heals else _healable(verdict):
            attempt = _Try(check=check, remedy=remedy, subject=subject, found=verdict)
            if (why := await self._heal(attempt)) is None:
                continue
            advice = await self._advised(check, verdict, tried=why)
            await self._tell(check, advice="\n".join(filter(None, (why, advice))))

    async def _heal(self, attempt: _Try) -> str | None:
        """Try the remedy and return why a person is needed; None while a rule just has to wait."""
        remedy, history = attempt.remedy, await self._ledger.history()
        match prescribe(remedy, attempt.subject, history=history, mode=self._mode(), now=self._clock.now()):
            case Hold(why=why, needs_person=needs_person):
                is_told = needs_person or attempt.decided_by == "diagnosis"
                return f"{remedy.name}: {why}" if is_told else None
            case Act(is_dry=True):
                await self._begin(attempt, Result.DRY_RUN)
                self._observe(remedy.name, Result.DRY_RUN)
                _log.info("health: dry run: %s would be tried for %s", remedy.name, attempt.subject)
                return f"{remedy.name} would be tried, but health.remedies is dry_run"
            case Act():
                return await self._carry_out(attempt)

    async def _carry_out(self, attempt: _Try) -> str | None:
        remedy, name = attempt.remedy, attempt.check.name
        number = await self._begin(attempt, Result.STARTED)
        _log.info("health: %s: %s", name, remedy.doing)
        result, detail = Result.FAILED, "interrupted"
        try:
            with anyio.move_on_after(remedy.within.total_seconds()) as patience:
                detail = await self._deeds[remedy.name](attempt.subject)
                result = Result.DID_NOT_HELP
                await self._until_better(attempt)
                result = Result.HELPED
            if patience.cancelled_caught:
                minutes = remedy.within.total_seconds() / 60
                came_of_it = f"{detail}; not better" if result is Result.DID_NOT_HELP else "not done"
                detail = f"{came_of_it} within {minutes:.0f} min"
        except LeaseLost:
            raise
        except PcdError as error:
            detail = str(error)
        finally:
            with anyio.CancelScope(shield=True):
                await self._ledger.end(number, result, detail=detail)
        self._observe(remedy.name, result)
        if result is Result.HELPED:
            _log.info("health: %s: %s", name, remedy.done)
            if self._monitor.verdicts[name].level.rank < attempt.found.level.rank:
                # Another part may still wait for a person.
                self._alerts.resolve(self._key(attempt.check), text=f"{remedy.done} ({detail})")
            return None
        _log.warning("health: %s: %s did not help: %s", name, remedy.name, detail)
        return f"{remedy.name} did not help: {detail}"

    async def _until_better(self, attempt: _Try) -> None:
        """Measure until the check is better than it was found, or the subject alone where it was failing."""
        is_part = attempt.subject in _failing(attempt.found)
        pause = _MEASURE_EVERY
        while True:
            verdict = (await self._monitor.look())[attempt.check.name]
            parts = {part.subject: part.level for part in verdict.parts}
            level = parts.get(attempt.subject, Level.OK) if is_part else verdict.level
            if verdict.is_measured and level.rank < attempt.found.level.rank:
                return
            await anyio.sleep(pause)
            pause = min(2 * pause, _MEASURE_LATER)

    async def _advised(self, check: Check, verdict: Verdict, *, tried: str) -> str:
        """Return what a model says, once for each time that the check broke; may carry its advice out."""
        if self._asked.get(check.name) == verdict.since:
            return ""
        self._asked[check.name] = verdict.since
        diagnosis = await self._ask(verdict, tried)
        if diagnosis is None:
            return ""
        advice = f"Diagnosis (confidence {diagnosis.confidence:.0%}): {diagnosis.text}"
        remedy = diagnosis.remedy
        if not diagnosis.may_act or remedy.name == check.remedy:
            return f"{advice}\nAdvice: {remedy.name}; not carried out by itself."
        attempt = _Try(
            check=check,
            remedy=remedy,
            subject=diagnosis.subject,
            found=verdict,
            decided_by="diagnosis",
        )
        why = await self._heal(attempt)
        return f"{advice}\n{why}" if why else f"{advice}\n{remedy.done}."

    async def _begin(self, attempt: _Try, result: Result) -> int | None:
        return await self._ledger.begin(
            attempt.remedy,
            check=attempt.check.name,
            subject=attempt.subject,
            reason=attempt.found.text[:500],
            decided_by=attempt.decided_by,
            result=result,
        )

    async def _tell(self, check: Check, *, advice: str) -> None:
        """Raise the alert, unless what was done meanwhile has healed it."""
        verdict = self._monitor.verdicts[check.name]
        if verdict.level is Level.OK:
            return
        self._advice[check.name] = advice or self._advice.get(check.name, "")
        title = f"{check.name.replace('_', ' ')}: {verdict.text}"
        text = "\n".join(filter(None, (check.owner, self._advice[check.name])))
        self._alerts.raise_(self._key(check), title=title, text=text, level=verdict.level, group=check.scope)

    def _key(self, check: Check) -> str:
        return f"health.{check.name}{f'@{self._place}' if self._place else ''}"


def _healable(verdict: Verdict) -> tuple[str, ...]:
    beyond = {part.subject for part in verdict.parts if part.needs_person}
    return tuple(subject for subject in _failing(verdict) if subject not in beyond)


def _failing(verdict: Verdict) -> tuple[str, ...]:
    return tuple(part.subject for part in verdict.parts if part.level is Level.FAIL)
