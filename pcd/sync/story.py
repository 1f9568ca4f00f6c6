"""Tells at level info what a sync came to, so that the log reads like a story."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.sync.request import ResourceReport, Tally

log = logging.getLogger(__name__)

_EXTRAS = (
    ("stale", "older than ours"),
    ("failed", "quarantined"),
    ("gone", "gone upstream"),
    ("suspect", "missing upstream, too many to believe"),
)


def tell(report: ResourceReport) -> None:
    """Tell what one resource's pass came to; one that changed nothing is not worth a line."""
    if report.error:
        log.warning("%s: %s", report.resource, report.error)
        return
    tally = report.tally
    log.log(
        logging.INFO if _is_news(tally) else logging.DEBUG,
        "%s: %s read, %s, %s unchanged in %.1f s",
        report.resource,
        f"{tally.fetched:,}",
        _changes(tally),
        f"{tally.unchanged:,}",
        report.duration.total_seconds(),
    )


def tell_fresh(reports: Sequence[ResourceReport]) -> None:
    """Tell a whole fresh pass in one line, and only what it changed; failures are its service's to tell."""
    changed = [f"{each.resource} {_changes(each.tally)}" for each in reports if _is_news(each.tally)]
    if changed:
        log.info("fresh: %s", "; ".join(changed))


def _is_news(tally: Tally) -> bool:
    return bool(tally.written or tally.failed or tally.gone)


def _changes(tally: Tally) -> str:
    extras = [f"{getattr(tally, name):,} {word}" for name, word in _EXTRAS if getattr(tally, name)]
    return ", ".join([f"{tally.created:,} new", f"{tally.updated:,} changed", *extras])
