from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from pcd.triggers.match import Watch, match
from pcd.workflows.conditions import parse
from pcd.workflows.workflow import Step, Trigger, Workflow


class Happened(NamedTuple):
    type: str
    payload: dict[str, Any]
    suppressed_reason: str | None = None


def workflow(name: str, when: str = "true", *, event: str = "estimate_created", **more: Any) -> Workflow:  # noqa: ANN401 - fields
    return Workflow(
        name=name,
        version="1",
        source="test",
        trigger=Trigger(event=event, condition=parse(when)),
        steps=(Step(number=1, name="one", action="wait"),),
        is_enabled=True,
        **more,
    )


PAYLOAD = {
    "estimateId": 5,
    "status": "Open",
    "total": 1500.5,
    "customer": {"name": "[name]", "phone": None, "email": None},
    "estimate": {
        "st_id": 5,
        "status": "Open",
        "total": 1500.5,
        "name": None,
        "st_created_on": "2026-03-01T10:00:00+00:00",
        "sold_on": None,
    },
}


@pytest.mark.parametrize(
    ("when", "starts"),
    [
        ("true", True),
        ("estimate.status == 'Open' and estimate.total >= $1,000", True),
        ("estimate.total == 1500.5", True),
        ("estimate.total > 2000", False),
        ("event.total > 1500 and event.status == 'Open'", True),
        ("event.estimate.st_id == 5", True),
        ("estimate.created_at < 2026-03-01T10:00:01Z", True),
        ("customer.name == '[name]' and customer.phone not exists", True),
        ("estimate.sold_at exists", False),
    ],
)
def test_trigger_is_judged_over_what_the_event_carries(when: str, starts: bool) -> None:
    found = match(Happened("estimate_created", PAYLOAD), Watch([workflow("a", when)]))
    assert bool(found.starts) is starts
    assert bool(found.others) is not starts


def test_reason_tells_which_part_does_not_hold() -> None:
    found = match(
        Happened("estimate_created", PAYLOAD), Watch([workflow("a", "true and estimate.total > 2000")])
    )
    assert found.others[0].reason == "estimate.total > 2000 does not hold: estimate.total is 1500.5"
    assert not found.others[0].is_doubt


def test_what_cannot_be_judged_starts_nothing_and_is_told() -> None:
    watch = Watch(
        [workflow("a", "estimate.name > 'b'"), workflow("b", "estimate.subtotal > 1"), workflow("c")]
    )
    found = match(Happened("estimate_created", PAYLOAD), watch)
    assert [one.name for one in found.starts] == ["c"]
    assert all(one.is_doubt for one in found.others)
    assert "estimate.name has no value" in found.others[0].reason
    assert "estimate.subtotal is not known" in found.others[1].reason


def test_most_urgent_workflow_starts_first() -> None:
    watch = Watch([workflow("b"), workflow("a"), workflow("c", priority=1)])
    assert [one.name for one in match(Happened("estimate_created", PAYLOAD), watch).starts] == ["c", "a", "b"]


def test_event_that_nobody_watches_starts_nothing() -> None:
    assert match(Happened("call_missed", {}), Watch([workflow("a")])).starts == ()


def test_suppressed_event_starts_nothing() -> None:
    found = match(Happened("estimate_created", PAYLOAD, "max_age"), Watch([workflow("a")]))
    assert found.starts == ()
    assert found.others[0].reason == "the event is suppressed: max_age"


def test_workflow_that_is_switched_off_starts_nothing_and_watches_nothing() -> None:
    off = replace(workflow("a"), is_enabled=False)
    watch = Watch([off, workflow("b", event="job_created")])
    found = match(Happened("estimate_created", PAYLOAD), watch)
    assert found.starts == ()
    assert found.others[0].reason == "it is switched off"
    assert watch.types == {"job_created"}
