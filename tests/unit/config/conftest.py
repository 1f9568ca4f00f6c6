"""A file of a configuration, or of a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]

HIDDEN = "hidden-value"
"""What must not be shown."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file that only we may read, and returns its path."""

    def write(text: str, *, name: str = "config.toml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write
