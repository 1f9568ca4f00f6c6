"""What goes wrong, by plan and by chance."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from pcd.sim.calls import Call, CallLog
from pcd.sim.trouble import TROUBLES, Throttling, Trouble, Troublemaker, TroubleRates, changed


def befalls(maker: Troublemaker, method: str = "POST", path: str = "/contacts/") -> Trouble | None:
    found = maker.next(method=method, path=path, is_write=method != "GET")
    return found.trouble if found else None


def test_planned_trouble_befalls_the_next_request_that_fits() -> None:
    maker = Troublemaker()
    maker.plan(Trouble.HANG_AFTER, method="post", path="^/contacts/$", times=2)
    assert befalls(maker, "GET") is None
    assert befalls(maker, path="/contacts/abc/tags") is None
    assert [befalls(maker) for _ in range(3)] == [Trouble.HANG_AFTER, Trouble.HANG_AFTER, None]
    assert maker.counts == {"hang_after": 2}


def test_read_is_never_refused_after_it_was_carried_out() -> None:
    maker = Troublemaker(TroubleRates(refused_after=1.0))
    maker.plan(Trouble.REFUSED_AFTER)
    assert [befalls(maker, "GET"), befalls(maker, "GET")] == [None, None]
    assert [befalls(maker), befalls(maker)] == [Trouble.REFUSED_AFTER, Trouble.REFUSED_AFTER]


def test_same_seed_makes_the_same_trouble() -> None:
    first, second = Troublemaker(TROUBLES["storm"]), Troublemaker(TROUBLES["storm"])
    course = [befalls(first) for _ in range(500)]
    assert course == [befalls(second) for _ in range(500)]
    assert len(Counter(course)) > 6


def test_429_comes_in_each_form_and_server_errors_with_each_status() -> None:
    maker = Troublemaker(TroubleRates(rate_limited=1.0))
    found = [maker.next(method="GET", path="/", is_write=False) for _ in range(4)]
    assert {one.throttling for one in found if one} == set(Throttling)
    maker = Troublemaker(TroubleRates(server_error=1.0))
    found = [maker.next(method="GET", path="/", is_write=False) for _ in range(40)]
    assert {one.status for one in found if one} == {500, 502, 504}


def test_rates_start_from_a_preset_and_unknown_names_are_refused() -> None:
    assert changed(TroubleRates(), {"preset": "storm", "reset": 0}).rate_limited == 0.05
    assert changed(TroubleRates(hang=0.5), {"reset": 1.0}) == TroubleRates(hang=0.5, reset=1.0)
    with pytest.raises(ValueError, match="no preset 'drizzle'"):
        changed(TroubleRates(), {"preset": "drizzle"})
    with pytest.raises(ValueError, match="no such fault: wind"):
        changed(TroubleRates(), {"wind": 1})


def test_log_tells_what_was_meant_and_what_happened() -> None:
    log = CallLog()
    at = datetime(2026, 9, 4, tzinfo=UTC)
    for number, (method, committed) in enumerate([("GET", False), ("POST", True), ("PUT", False)]):
        log.add(
            Call(
                number=number,
                at=at,
                method=method,
                path="/contacts/",
                is_write=method != "GET",
                committed=committed,
            )
        )
    assert [call.method for call in log.writes] == ["POST", "PUT"]
    assert [call.method for call in log.committed] == ["POST"]
    assert [call.method for call in log[1:]] == ["POST", "PUT"]
    assert [call.method for call in log.to("/contacts/", method="PUT")] == ["PUT"]
    log.clear()
    assert (len(log), log.total) == (0, 0)
