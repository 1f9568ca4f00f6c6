"""What can go wrong with a simulated API, how often, and how often it did."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pcd.sim.settings import Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

RECORD_FAULTS = ("unknown_field", "unknown_value", "null_field", "null_modified", "wrong_type", "nul_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The rate of each fault, 0 to 1, and a seed that makes a run repeatable.

    Before the answer: *rate_limited* (429, each form in turn), *server_error* (500, 502, 503 with an
    HTML body; at the token endpoint too), *maintenance* (409), *hang* (no answer for *hang_seconds*,
    then a closed connection), *token_expired* (401, and the token is refused from then on),
    *export_token_refused* (400 for a continuation token).
    In the answer: *reset* (connection reset in the middle of the body), *truncated* (valid HTTP,
    half of the JSON), *wrong_page* (the echo names another page).
    In exports: *disorder* (rows of a page shuffled), *empty_page* (no rows, ``hasMore`` true),
    *duplicates* (with recent changes: the last rows of the page before, once more).
    In records, always the same ones for the same seed: *unknown_field*, *unknown_value* (of an
    enumeration), *null_field* (where the contract forbids null), *null_modified* (invoices without a
    modification date, which the contract allows), *wrong_type*, *nul_text* (a NUL character, which
    JSON allows and jsonb refuses).
    """

    seed: int = 1
    rate_limited: float = 0.0
    retry_seconds: int = 1
    server_error: float = 0.0
    maintenance: float = 0.0
    hang: float = 0.0
    hang_seconds: float = 100.0
    token_expired: float = 0.0
    export_token_refused: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    wrong_page: float = 0.0
    disorder: float = 0.0
    empty_page: float = 0.0
    duplicates: float = 0.0
    unknown_field: float = 0.0
    unknown_value: float = 0.0
    null_field: float = 0.0
    null_modified: float = 0.0
    wrong_type: float = 0.0
    nul_text: float = 0.0

    @property
    def drifts(self) -> bool:
        """Whether some records are served otherwise than they are stored."""
        return any(getattr(self, name) for name in RECORD_FAULTS)


PRESETS: Mapping[str, Faults] = {
    "none": Faults(),
    "storm": Faults(
        rate_limited=0.05,
        server_error=0.05,
        maintenance=0.02,
        hang=0.003,
        hang_seconds=2.0,
        token_expired=0.01,
        reset=0.02,
        truncated=0.03,
        wrong_page=0.02,
        disorder=0.2,
        empty_page=0.03,
        duplicates=0.3,
        unknown_field=0.01,
        unknown_value=0.01,
        null_field=0.01,
    ),
    "throttle": Faults(rate_limited=0.3),
    "drift": Faults(unknown_field=0.05, unknown_value=0.05, null_field=0.05, wrong_type=0.05, nul_text=0.005),
}


class Dice:
    """Decides, repeatably, which fault happens now, and counts what it decided."""

    def __init__(self, faults: Faults) -> None:
        """Start with *faults*; nothing has been injected yet."""
        self.faults = faults
        self.counts: Counter[str] = Counter()
        self._random = random.Random(faults.seed)  # noqa: S311 - repeatable on purpose
        self._throttles = 0

    def switch(self, faults: Faults) -> None:
        """Go on with other *faults*; the counts stay."""
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - repeatable on purpose

    def happens(self, fault: str) -> bool:
        """Decide whether *fault* (a field of `Faults`) happens now, and count it if so."""
        rate: float = getattr(self.faults, fault)
        if not rate or self._random.random() >= rate:
            return False
        self.counts[fault] += 1
        return True

    def throttle(self) -> Throttle:
        """Return how the next injected 429 is written; each form has its turn."""
        forms = list(Throttle)
        self._throttles += 1
        return forms[self._throttles % len(forms)]

    def server_error(self) -> int:
        """Return which server error it is."""
        return self._random.choice((500, 502, 503))

    def shuffled(self, rows: list[T]) -> list[T]:
        """Return *rows* out of order."""
        return self._random.sample(rows, len(rows))
