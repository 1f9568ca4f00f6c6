"""The numbers of a metric, and the text in which Prometheus reads them.

A scrape comes while much else is under way, and nothing else happens meanwhile. So what stands before a
number is written once, when the number is first told.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class _Number:
    __slots__ = ("prefix", "value")

    def __init__(self, prefix: str) -> None:
        self.prefix, self.value = prefix, 0.0


class _Spread:
    __slots__ = ("counts", "prefixes", "total")

    def __init__(self, prefixes: tuple[str, ...]) -> None:
        self.prefixes = prefixes
        self.counts = [0] * (len(prefixes) - 2)
        self.total = 0.0


class Numbers:
    """What a counter or a gauge stands at, by its labels; without labels it begins at 0."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self._name, self._labels = name, tuple(labels)
        self._numbers: dict[tuple[str, ...], _Number] = {}
        if not labels:
            self.add(0.0)

    def add(self, amount: float, *labels: str) -> None:
        """Let the number under *labels* grow by *amount*."""
        self._of(labels).value += amount

    def set(self, value: float, *labels: str) -> None:
        """Let the number under *labels* stand at *value*."""
        self._of(labels).value = float(value)

    def lines(self) -> Iterator[str]:
        """Yield a line for each number."""
        return (f"{each.prefix}{each.value!r}\n" for each in self._numbers.values())

    def _of(self, labels: tuple[str, ...]) -> _Number:
        found = self._numbers.get(labels)
        if found is None:
            prefix = _prefix(self._name, dict(zip(self._labels, labels, strict=True)))
            found = self._numbers[labels] = _Number(prefix)
        return found


class Spreads:
    """How values spread over buckets, of which *bounds* are the upper ends, by their labels."""

    def __init__(self, name: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name, self._labels, self._bounds = name, tuple(labels), tuple(bounds)
        self._spreads: dict[tuple[str, ...], _Spread] = {}
        if not labels:
            self._of(())

    def observe(self, value: float, *labels: str) -> None:
        """Count *value* in its bucket under *labels*."""
        spread = self._of(labels)
        spread.counts[bisect_left(self._bounds, value)] += 1
        spread.total += value

    def lines(self) -> Iterator[str]:
        """Yield a line for each bucket, which holds those below it too, and for the count and the sum."""
        for spread in self._spreads.values():
            sums = [*accumulate(spread.counts)]
            values = (*sums, sums[-1], spread.total)
            yield from (
                f"{prefix}{float(value)!r}\n" for prefix, value in zip(spread.prefixes, values, strict=True)
            )

    def _of(self, labels: tuple[str, ...]) -> _Spread:
        found = self._spreads.get(labels)
        if found is None:
            named = dict(zip(self._labels, labels, strict=True))
            bounds = (*(repr(float(bound)) for bound in self._bounds), "+Inf")
            found = self._spreads[labels] = _Spread(
                (
                    *(_prefix(f"{self._name}_bucket", named | {"le": bound}) for bound in bounds),
                    _prefix(f"{self._name}_count", named),
                    _prefix(f"{self._name}_sum", named),
                )
            )
        return found


def _prefix(name: str, labels: dict[str, str]) -> str:
    if not labels:
        return f"{name} "
    pairs = ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in labels.items())
    return f"{name}{{{pairs}}} "
