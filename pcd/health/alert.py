"""The shapes of telling people: an alert, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.health.check import Level


class News(StrEnum):
    """What happened to an alert that people are told: it came, it became worse, it is over, it is a test."""

    RAISED = "raised"
    WORSE = "worse"
    RECOVERED = "recovered"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that a person has to know. One *key* has one open alert at a time.

    *title* says what is wrong, *text* what it means and what to do; neither holds a customer's data.
    *group* puts together what has one cause. *raised_at* is when it first came, *seen_at* when last.
    """

    key: str
    level: Level
    title: str
    text: str = ""
    group: str = ""
    raised_at: datetime
    seen_at: datetime
    count: int = 1
    resolved_at: datetime | None = None
    resolution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that people are told about one alert."""

    news: News
    alert: Alert
