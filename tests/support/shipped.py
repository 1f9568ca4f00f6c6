"""The config.toml that we deliver, also in a checkout where somebody has filled in theirs."""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pcd.config import load

if TYPE_CHECKING:
    from pcd.config import Config

_FILE = Path(__file__).parents[2] / "config.toml"


@cache
def shipped_text() -> str:
    """Return the file as it stands here, or as it was committed where it has credentials in it."""
    text = _FILE.read_text(encoding="utf-8")
    if not _is_filled_in(text):
        return text
    show = ["git", "show", "HEAD:./config.toml"]
    done = subprocess.run(show, cwd=_FILE.parent, check=False, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else text


def shipped() -> Config:
    """Return what that file means."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _FILE.name
        path.write_text(shipped_text(), encoding="utf-8")
        return load(path, {})


def _is_filled_in(text: str) -> bool:
    try:
        return bool(tomllib.loads(text).get("servicetitan"))
    except tomllib.TOMLDecodeError:
        return True
