"""Ids as GoHighLevel writes them, the same for the same seed."""

from __future__ import annotations

import string
from random import Random
from uuid import UUID

_LETTERS = string.ascii_letters + string.digits


class Identities:
    """Gives out ids that were not given out before. Their form is a guess from the documents' examples."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of *seed*."""
        self._random = Random(f"{seed}:ids")  # noqa: S311 - repeatable on purpose

    def next(self) -> str:
        """Return 20 letters and digits."""
        return "".join(self._random.choices(_LETTERS, k=20))

    def trace(self) -> str:
        """Return the id of a request."""
        return str(UUID(int=self._random.getrandbits(128), version=4))
