"""Values that are never printed by accident."""

from __future__ import annotations

from pcd.config import urls


class Secret:
    """Text that `repr`, `str`, logs and tracebacks do not show; true when there is any."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for the one call that needs it."""
        return self._text

    def __str__(self) -> str:
        return "(set)" if self._text else "(not set)"

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self}"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.reveal() == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Url(Secret):
    """A connection URL: `reveal` returns all of it, `str` hides the password and says the rest."""

    __slots__ = ()

    def __init__(self, text: str = "") -> None:
        super().__init__(urls.normalise(text))

    def __str__(self) -> str:
        return urls.mask(self._text)

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"
