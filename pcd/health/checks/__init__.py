"""Every check there is, each declared once. The order is the one in which they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.health.checks.around import AROUND
from pcd.health.checks.pipeline import PIPELINE
from pcd.health.checks.store import STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.health.check import Check

CHECKS: Mapping[str, Check] = {check.name: check for check in (*STORE, *PIPELINE, *AROUND)}
