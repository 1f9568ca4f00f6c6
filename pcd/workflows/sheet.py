"""A table of a definition while it is read: every key is asked for once, and what is wrong has its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pcd.config import durations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

T = TypeVar("T")
_MISSING = object()


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint that names what *word* was probably meant to be, or what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(names)}" if names else "there are none"


class Sheet:
    """A table at *place*; what is wrong is added to *problems*, and a default stands in for it."""

    def __init__(self, values: object, *, place: str, problems: list[str]) -> None:
        self.place = place
        self.problems = problems
        self._values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        self._known: list[str] = []
        if not isinstance(values, Mapping):
            problems.append(f"{place or 'definition'}: expected a table, found {values!r}")

    def wrong(self, key: str, message: str) -> None:
        """Add a problem of *key*."""
        self.problems.append(f"{self.at(key)}: {message}")

    def at(self, key: str) -> str:
        """Return the place of *key*."""
        return f"{self.place}.{key}" if self.place else key

    def has(self, key: str) -> bool:
        """Whether *key* is given."""
        self._known.append(key)
        return key in self._values

    def take(self, key: str) -> Any:  # noqa: ANN401 - a value of any shape
        """Return what stands there as it is, None where nothing does."""
        self._known.append(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None, *, longest: int = 20_000) -> str:
        """Return a text that is not empty; without a *default* it has to be there."""
        value = self._value(key)
        if value is _MISSING and default is not None:
            return default
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            found = "nothing" if value is _MISSING else repr(value)
            self.wrong(key, f"expected a text of at most {longest} characters, found {found}"[:300])
            return default or ""
        return value

    def choice(self, key: str, options: Iterable[str], default: str) -> str:
        """Return one of *options*."""
        known = tuple(options)
        value = self._value(key)
        if value is _MISSING:
            return default
        if value not in known:
            self.wrong(key, f"expected one of {', '.join(known)}, found {value!r}")
            return default
        return str(value)

    def number(self, key: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number between *least* and *most*."""
        value = self._value(key)
        if value is _MISSING:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(key, f"expected a whole number between {least} and {most}, found {value!r}")
            return default
        return value

    def truth(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key)
        if value is _MISSING:
            return default
        if not isinstance(value, bool):
            self.wrong(key, f"expected true or false, found {value!r}")
            return default
        return value

    def duration(self, key: str, default: timedelta, *, least: timedelta, most: timedelta) -> timedelta:
        """Return a duration between *least* and *most*."""

        def read(text: str) -> timedelta:
            found = durations.parse(text)
            if not least <= found <= most:
                raise ValueError(f"a duration between {durations.write(least)} and {durations.write(most)}")
            return found

        return self.read(key, read, default)

    def read(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Return what *parse* makes of a text, whose ValueError says what it expected."""
        value = self._value(key)
        if value is _MISSING:
            return default
        if not isinstance(value, str):
            self.wrong(key, f"expected a text, found {value!r}")
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(key, f"expected {error}, found {value!r}")
            return default

    def sheets(self, key: str) -> list[Any]:
        """Return a list, empty where nothing stands there."""
        value = self._value(key)
        if value is _MISSING:
            return []
        if not isinstance(value, list | tuple):
            self.wrong(key, f"expected a list, found {value!r}")
            return []
        return list(value)

    def finish(self) -> None:
        """Add a problem for each key that nobody asked for, with the nearest one that there is."""
        for key in self._values:
            if key not in self._known:
                self.wrong(str(key), f"there is no such key; {nearest(str(key), set(self._known))}")

    def _value(self, key: str) -> Any:  # noqa: ANN401 - a value of any shape
        self._known.append(key)
        return self._values.get(key, _MISSING)
