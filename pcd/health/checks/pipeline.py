"""What flows: from ServiceTitan into the mirror, from there into events, workflows and GoHighLevel."""

from __future__ import annotations

from pcd.health.check import Bounds, Check, Scope

_HOUR = 3600.0
_OFTEN = 2

PIPELINE = (
    Check(
        name="sync",
        reads="sync",
        bounds=lambda limits: Bounds(
            warn=limits.sync_stalled_after.total_seconds() / 2, fail=limits.sync_stalled_after.total_seconds()
        ),
        owner="The mirror has not been compared with ServiceTitan for too long, so reports are old and "
        "nothing new is noticed. `pcd status` says what the last sync came to.",
        remedy="resync",
        heals="sync",
        heals_after=1,
    ),
    Check(
        name="reference_data",
        reads="reference_data",
        bounds=lambda _: Bounds(warn=26 * _HOUR, fail=50 * _HOUR),
        owner="Business units, job types and technicians are compared each night, and were not.",
    ),
    Check(
        name="servicetitan",
        reads="servicetitan",
        bounds=lambda _: Bounds(warn=60.0, fail=900.0),
        owner="ServiceTitan does not answer. Requests are tried again by themselves; "
        "status.servicetitan.com may know more.",
        remedy="ask_person",
        scope=Scope.DAEMON,
        is_logged=False,
    ),
    Check(
        name="quarantine",
        reads="quarantine",
        bounds=lambda _: Bounds(warn=25.0, fail=1000.0),
        owner="Records of ServiceTitan do not fit the tables and are kept aside; all others are mirrored.",
        remedy="ask_person",
    ),
    Check(
        name="listener",
        reads="listener",
        bounds=lambda _: Bounds(warn=60.0),
        owner="PostgreSQL's notifications do not arrive. Changes are looked for every second instead, so "
        "nothing is missed.",
        scope=Scope.DAEMON,
    ),
    Check(
        name="backlog",
        reads="backlog",
        bounds=lambda _: Bounds(warn=120.0, fail=900.0),
        owner="Changes wait to be turned into events, so workflows start late.",
        remedy="restart_services",
        heals="events",
    ),
    Check(
        name="rules",
        reads="rules",
        bounds=lambda _: Bounds(warn=1.0),
        owner="An event rule raised an error and stands still; `pcd events retry` lets it catch up once it "
        "is repaired.",
        remedy="ask_person",
    ),
    Check(
        name="workflows",
        reads="workflows",
        bounds=lambda limits: Bounds(fail=limits.workflow_stalled_after.total_seconds()),
        owner="Steps of workflows were due long ago and nobody does them.",
        remedy="reclaim_workflows",
        heals="workflows",
        heals_after=1,
    ),
    Check(
        name="dead_letters",
        reads="dead_letters",
        bounds=lambda _: Bounds(warn=1.0),
        owner="Something was given up after several attempts and waits for a person: "
        "`pcd workflow instances`, `pcd messages parked` and `pcd ghl retry`.",
    ),
    Check(
        name="gohighlevel",
        reads="gohighlevel",
        bounds=lambda _: Bounds(warn=1.0, fail=2.0),
        owner="GoHighLevel refuses us, its daily budget is nearly used up, or stages that the configuration "
        "names are gone there. What is owed is kept and sent later; a refused token has to be renewed, a "
        "stage named anew, by a person.",
        remedy="ask_person",
    ),
)
