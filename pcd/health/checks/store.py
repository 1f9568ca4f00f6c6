"""What the daemon stands on: PostgreSQL, the disk, the clock, its own event loop and services."""

from __future__ import annotations

from pcd.health.check import Bounds, Check, Scope

_OFTEN = 2

STORE = (
    Check(
        name="database",
        reads="database",
        bounds=lambda _: Bounds(warn=1.0, fail=5.0),
        owner="PostgreSQL does not answer, so nothing is read, decided or sent. Nothing is lost: everything "
        "goes on from where it stood. See whether the server runs and can be reached.",
        remedy="ask_person",
        scope=Scope.DAEMON,
        breaks_after=_OFTEN,
        heals_after=1,
        is_logged=False,
    ),
    Check(
        name="disk",
        reads="disk",
        bounds=lambda _: Bounds(warn=85.0, fail=95.0),
        owner="The disk is nearly full. A full one stops the database. Free some space, old backups first.",
        remedy="ask_person",
        scope=Scope.DAEMON,
    ),
    Check(
        name="transactions",
        reads="transactions",
        bounds=lambda _: Bounds(warn=600.0, fail=3600.0),
        owner="Somebody has kept a transaction open for long. It keeps PostgreSQL from tidying up, and the "
        "database grows. See whose session it is and end it.",
        remedy="ask_person",
    ),
    Check(
        name="replication",
        reads="replication",
        bounds=lambda _: Bounds(warn=60.0, fail=600.0),
        owner="The copy of the database is behind. If the main server were lost now, so would be what it has "
        "not received yet. See whether the copy is overloaded or its network slow.",
        remedy="ask_person",
        breaks_after=_OFTEN,
    ),
    Check(
        name="redis",
        reads="redis",
        # Nothing but speed depends on it.
        bounds=lambda _: Bounds(warn=1.0),
        owner="Redis does not answer. Each process keeps its own limits meanwhile, and other programs get "
        "events when it is back.",
        remedy="ask_person",
        scope=Scope.DAEMON,
        breaks_after=_OFTEN,
        heals_after=1,
        is_logged=False,
    ),
    Check(
        name="services",
        reads="services",
        bounds=lambda _: Bounds(warn=1.0, fail=2.0),
        owner="A part of the daemon fails again and again; `pcd status` says which and why.",
        remedy="restart_services",
        scope=Scope.DAEMON,
        heals_after=1,
        is_logged=False,
    ),
    Check(
        name="event_loop",
        reads="event_loop",
        bounds=lambda _: Bounds(warn=0.5, fail=5.0),
        owner="The daemon is often busy for so long that everything else waits. Other programs may take the "
        "processor away.",
        scope=Scope.DAEMON,
        breaks_after=_OFTEN,
    ),
    Check(
        name="clock",
        reads="clock",
        bounds=lambda _: Bounds(warn=2.0, fail=30.0),
        owner="This machine's clock and the database's do not agree, or one was set. Due times are the "
        "database's, so nothing is done twice. See that both machines use NTP.",
        remedy="ask_person",
        scope=Scope.DAEMON,
    ),
)
