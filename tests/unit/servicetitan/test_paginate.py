from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pcd.servicetitan.paginate import export_params, ids_params, list_params, stamp
from pcd.tables.spec import ExportEndpoint, ListEndpoint

JOBS = ListEndpoint(path="/jpm/v2/tenant/{tenant}/jobs", ids=True, sort="+Id", inactive={"active": "Any"})
CONTACTS = ListEndpoint(path="/crm/v2/tenant/{tenant}/customers/contacts", needs_modified=True, page_size=500)
TYPES = ListEndpoint(path="/accounting/v2/tenant/{tenant}/payment-types", modified=False)
ASSIGNMENTS = ExportEndpoint(
    path="/dispatch/v2/tenant/{tenant}/export/appointment-assignments", params={"active": "Any"}
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        pytest.param(NOON, "2026-03-01T12:00:00Z", id="whole second"),
        pytest.param(NOON.replace(microsecond=40), "2026-03-01T12:00:00.000040Z", id="microseconds"),
        pytest.param(
            datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=-5))), "2026-03-01T17:00:00Z", id="zone"
        ),
    ],
)
def test_instants_are_sent_in_utc_marked_z(instant: datetime, expected: str) -> None:
    assert stamp(instant) == expected


def test_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        stamp(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the case


def test_list_page_includes_inactive_records_in_a_stable_order() -> None:
    assert list_params(JOBS, page=3) == {
        "page": "3",
        "pageSize": "5000",
        "active": "Any",
        "sort": "+Id",
    }


def test_list_page_takes_a_closed_window_and_a_count() -> None:
    params = list_params(
        JOBS,
        page=1,
        page_size=10,
        modified_from=NOON,
        modified_before=NOON + timedelta(hours=1),
        include_total=True,
    )
    assert params["pageSize"] == "10"
    assert params["modifiedOnOrAfter"] == "2026-03-01T12:00:00Z"
    assert params["modifiedBefore"] == "2026-03-01T13:00:00Z"
    assert params["includeTotal"] == "true"


def test_window_is_left_out_where_it_would_be_ignored() -> None:
    assert list_params(TYPES, page=1, modified_from=NOON) == {"page": "1", "pageSize": "5000"}


def test_endpoint_that_insists_on_a_date_gets_one() -> None:
    assert list_params(CONTACTS, page=1)["modifiedOnOrAfter"] == "2000-01-01T00:00:00Z"


def test_ids_are_looked_up_on_one_page() -> None:
    assert ids_params(JOBS, [3, 1, 2]) == {
        "page": "1",
        "pageSize": "50",
        "active": "Any",
        "ids": "3,1,2",
    }


@pytest.mark.parametrize("count", [0, 51])
def test_too_few_or_too_many_ids_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50"):
        ids_params(JOBS, range(count))


def test_ids_are_refused_where_they_would_be_ignored() -> None:
    with pytest.raises(ValueError, match="does not look up ids"):
        ids_params(CONTACTS, [1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {}, id="from the start"),
        pytest.param({"token": "t+/="}, {"from": "t+/="}, id="token"),
        pytest.param({"since": NOON}, {"from": "2026-03-01T12:00:00Z"}, id="instant"),
        pytest.param({"token": "t", "since": NOON}, {"from": "t"}, id="token wins"),
        pytest.param({"recent": True}, {"includeRecentChanges": "true"}, id="recent"),
    ],
)
def test_export_continues_where_it_is_told(options: dict[str, object], expected: dict[str, str]) -> None:
    assert export_params(ASSIGNMENTS, **options) == {"active": "Any", **expected}  # type: ignore[arg-type]
