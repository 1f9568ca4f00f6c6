"""What can go wrong on the way to a simulated service and back: by chance, or once and on purpose.

`faults` has its counterpart for ServiceTitan, which is only read. Here the question is always whether
a write was carried out before it went wrong, so each trouble says on which side it stands.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Trouble(StrEnum):
    """Before the request is carried out, nothing has changed; after it, everything has."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    RESET = "reset"
    HANG = "hang"
    SERVER_ERROR_AFTER = "server_error_after"
    RESET_AFTER = "reset_after"
    HANG_AFTER = "hang_after"
    REFUSED_AFTER = "refused_after"
    SLOW_ANSWER = "slow_answer"
    SLOW_BODY = "slow_body"


AFTER = frozenset(
    {Trouble.SERVER_ERROR_AFTER, Trouble.RESET_AFTER, Trouble.HANG_AFTER, Trouble.REFUSED_AFTER}
)


class Throttling(StrEnum):
    """How a 429 is written: in JSON or not, with ``Retry-After`` or without."""

    JSON_HEADER = "json_header"
    JSON = "json"
    TEXT_HEADER = "text_header"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleRates:
    """The rate of each trouble, 0 to 1, and a seed that makes a run repeatable.

    Not carried out: *rate_limited* (429, each form in turn), *server_error* (500, 502, 504 with a page
    for people), *reset* (of the connection), *hang* (no answer for *hang_seconds*, then a reset).
    Carried out: *server_error_after*, *reset_after*, *hang_after*, and of writes *refused_after* (422).
    Carried out and answered: *slow_answer* (after *slow_seconds*), *slow_body* (in pieces over them).
    """

    seed: int = 1
    retry_seconds: int = 1
    hang_seconds: float = 100.0
    slow_seconds: float = 2.0
    rate_limited: float = 0.0
    server_error: float = 0.0
    reset: float = 0.0
    hang: float = 0.0
    server_error_after: float = 0.0
    reset_after: float = 0.0
    hang_after: float = 0.0
    refused_after: float = 0.0
    slow_answer: float = 0.0
    slow_body: float = 0.0


TROUBLES: Mapping[str, TroubleRates] = {
    "none": TroubleRates(),
    "storm": TroubleRates(
        rate_limited=0.05,
        server_error=0.03,
        reset=0.02,
        hang=0.003,
        hang_seconds=2.0,
        server_error_after=0.02,
        reset_after=0.02,
        hang_after=0.005,
        refused_after=0.02,
        slow_answer=0.01,
        slow_seconds=0.2,
        slow_body=0.01,
    ),
    "throttle": TroubleRates(rate_limited=0.3),
    "lost": TroubleRates(reset_after=0.1, server_error_after=0.1, refused_after=0.1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What goes wrong with one request; *seconds* of waiting, *status* of a server error."""

    trouble: Trouble
    seconds: float
    status: int = 500
    throttling: Throttling = Throttling.JSON_HEADER


@dataclass(slots=True, kw_only=True)
class _Plan:
    trouble: Trouble
    method: str
    path: re.Pattern[str]
    left: int
    seconds: float | None
    status: int | None
    throttling: Throttling | None


class Troublemaker:
    """Decides, repeatably, what goes wrong with the next request, and counts it.

    What was planned comes before what happens by chance.
    """

    def __init__(self, rates: TroubleRates | None = None) -> None:
        """Start with *rates* and nothing planned."""
        self.counts: Counter[str] = Counter()
        self.rates = rates or TroubleRates()
        self._random = random.Random(self.rates.seed)  # noqa: S311 - repeatable on purpose
        self._plans: list[_Plan] = []
        self._throttles = 0

    def switch(self, rates: TroubleRates) -> None:
        """Go on with other *rates*; counts and plans stay."""
        self.rates = rates
        self._random = random.Random(rates.seed)  # noqa: S311 - repeatable on purpose

    def plan(  # noqa: PLR0913 - one a condition
        self,
        trouble: Trouble,
        *,
        method: str = "",
        path: str = "",
        times: int = 1,
        seconds: float | None = None,
        status: int | None = None,
        throttling: Throttling | None = None,
    ) -> None:
        """Let *trouble* befall the next *times* requests of this *method* (any when empty).

        *path* is a regular expression that has to be found in the request's path.
        """
        self._plans.append(
            _Plan(
                trouble=trouble,
                method=method.upper(),
                path=re.compile(path),
                left=times,
                seconds=seconds,
                status=status,
                throttling=throttling,
            )
        )

    def forget(self) -> None:
        """Drop what was planned and has not happened."""
        self._plans.clear()

    def next(self, *, method: str, path: str, is_write: bool) -> Happening | None:
        """Decide what befalls a request. Only a write is refused after it was carried out."""
        for plan in self._plans:
            is_meant = plan.method in ("", method) and plan.path.search(path)
            if is_meant and (is_write or plan.trouble is not Trouble.REFUSED_AFTER):
                plan.left -= 1
                if not plan.left:
                    self._plans.remove(plan)
                return self._happening(plan.trouble, plan=plan)
        for trouble in Trouble:
            rate: float = getattr(self.rates, trouble)
            if not rate or (trouble is Trouble.REFUSED_AFTER and not is_write):
                continue
            if self._random.random() < rate:
                return self._happening(trouble)
        return None

    def _happening(self, trouble: Trouble, *, plan: _Plan | None = None) -> Happening:
        self.counts[trouble.value] += 1
        self._throttles += trouble is Trouble.RATE_LIMITED
        forms = list(Throttling)
        return Happening(
            trouble=trouble,
            seconds=plan.seconds if plan and plan.seconds is not None else self._seconds(trouble),
            status=plan.status if plan and plan.status else self._random.choice((500, 502, 504)),
            throttling=(plan and plan.throttling) or forms[self._throttles % len(forms)],
        )

    def _seconds(self, trouble: Trouble) -> float:
        if trouble is Trouble.RATE_LIMITED:
            return self.rates.retry_seconds
        is_hang = trouble in (Trouble.HANG, Trouble.HANG_AFTER)
        return self.rates.hang_seconds if is_hang else self.rates.slow_seconds


def changed(rates: TroubleRates, wanted: Mapping[str, object]) -> TroubleRates:
    """Return *rates* with those in *wanted* replaced; a ``preset`` in it is where they start from.

    Raises ValueError for a name that there is not.
    """
    wanted = dict(wanted)
    preset = str(wanted.pop("preset", ""))
    if preset and preset not in TROUBLES:
        raise ValueError(f"no preset {preset!r}; there are {', '.join(TROUBLES)}")
    names = {field.name for field in fields(TroubleRates)}
    unknown = set(wanted) - names
    if unknown:
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
    start = TROUBLES[preset] if preset else rates
    kept = {name: getattr(start, name) for name in names}
    return TroubleRates(**(kept | wanted))
