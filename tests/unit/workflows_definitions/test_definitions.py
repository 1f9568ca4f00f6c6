from __future__ import annotations

import json
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from unit.workflows_definitions.conftest import KNOWN

from pcd.errors import DefinitionError
from pcd.workflows.conditions import parse
from pcd.workflows.decode import decode
from pcd.workflows.loader import from_toml, load_files
from pcd.workflows.validate import problems_of
from pcd.workflows.workflow import (
    After,
    AtTime,
    Branch,
    Fallback,
    Hours,
    RetryPolicy,
    Stop,
    Until,
    WaitFor,
)

if TYPE_CHECKING:
    from pathlib import Path


WHOLE = b"""
name = "Everything"
description = "Uses each key."
enabled = true
priority = 3
max_concurrent_per_customer = 2
stop = ["estimate.status == 'Sold'", { when = "message_count >= 4", reason = "max_messages" }]

[trigger]
event = "estimate_created"
when = "estimate.status == 'Open'"
conditions = { "estimate.total" = { "$gte" = 1000 } }

[business_hours]
opens = 09:00:00
closes = "17:30"
days = ["mon", "sat"]

[[steps]]
name = "first"
delay = "2 days"
action = "send_sms"
on_blocked = "drop"
timeout = "1m"
retry = { attempts = 3, first = "10s", most = "1m" }
branches = [{ when = "estimate.total > 5000", to = "third" }, { when = "true", to = "end" }]
with = { template = "estimate_sent" }

[[steps]]
delay = { at = "10:00", days = 1, weekdays = ["tue"] }
when = "job.status != 'Canceled'"
any_time = true
action = "ask_agent"
with = { instruction = "Write to {customer.name}" }
fallback = { action = "send_sms", with = { text = "Hello" } }

[[steps]]
name = "third"
delay = { until = "appointment.start", offset = "-24 hours" }
action = "add_tags"
with = { tags = ["won"] }
[steps.wait_for]
event = "estimate_approved"
within = "3d"
of = "customer"
when = "estimate.total > 1"
on_timeout = "run"
"""


def whole() -> dict[str, Any]:
    return json.loads(json.dumps(from_toml(WHOLE, source="x.toml").document))  # type: ignore[no-any-return]


def test_every_key_of_a_definition_is_understood() -> None:
    found = from_toml(WHOLE, source="x.toml")
    hours = Hours(opens=time(9), closes=time(17, 30), days=frozenset({0, 5}))
    first, second, third = found.steps
    assert (found.name, found.source, found.is_enabled, found.priority) == ("Everything", "x.toml", True, 3)
    assert found.max_concurrent_per_customer == 2
    assert found.trigger.condition == parse("estimate.status == 'Open' and estimate.total >= 1000")
    assert found.stops == (
        Stop(condition=parse("estimate.status == 'Sold'"), reason="estimate.status == 'Sold'"),
        Stop(condition=parse("message_count >= 4"), reason="max_messages"),
    )
    assert first.delay.wait == After(days=2)
    assert first.delay.within == hours
    assert first.retry == RetryPolicy(attempts=3, first=timedelta(seconds=10), most=timedelta(minutes=1))
    assert first.branches == (
        Branch(condition=parse("estimate.total > 5000"), to=3),
        Branch(condition=parse("true"), to="end"),
    )
    assert (first.on_blocked, first.timeout) == ("drop", timedelta(minutes=1))
    assert (second.number, second.name) == (2, "step_2")
    assert second.delay.wait == AtTime(at=time(10), days=1, weekdays=frozenset({1}))
    assert second.delay.within is None
    assert second.fallback == Fallback(action="send_sms", parameters={"text": "Hello"})
    assert third.delay.wait == Until(fact="appointment.start", rest=timedelta(hours=-24))
    assert third.wait_for == WaitFor(
        event="estimate_approved",
        within=timedelta(days=3),
        of="customer",
        condition=parse("estimate.total > 1"),
        on_timeout="run",
    )
    assert not list(problems_of(found, KNOWN))


def test_what_was_kept_makes_the_same_workflow() -> None:
    found = from_toml(WHOLE, source="x.toml")
    again = decode(json.loads(json.dumps(found.document)), source="x.toml")
    assert again == found


def test_version_follows_the_meaning_and_not_the_switch_or_the_order() -> None:
    document = whole()
    version = decode(document, source="a").version
    shuffled = dict(reversed(list(document.items()))) | {"enabled": False, "description": "Other words."}
    assert decode(shuffled, source="b").version == version
    assert decode(document | {"priority": 4}, source="a").version != version


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the whole definition with the value at a dotted path replaced; numbers count from 0."""
    document = whole()
    place: Any = document
    *way, last = path.split(".")
    for part in way:
        place = place[int(part) if part.isdigit() else part]
    place[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("name", "", "name: expected a text"),
        ("name", "a\0b", "name: a value that cannot be kept"),
        ("priority", float("nan"), "priority: a value that cannot be kept"),
        ("steps.0.with", {"tags": [2**60]}, "steps 1.with.tags 1: a value that cannot be kept"),
        ("prority", 3, "prority: there is no such key; did you mean 'priority'?"),
        ("priority", "high", "priority: expected a whole number"),
        ("enabled", "yes", "enabled: expected true or false"),
        (
            "trigger.event",
            "estimate_creatd",
            "trigger.event: there is no event 'estimate_creatd'; did you mean",
        ),
        (
            "trigger.when",
            "estimate.totl > 1",
            "trigger.when: column 1: there is no fact estimate.totl; did you",
        ),
        ("trigger.when", "estimate.total >", "trigger.when: column 17: expected a fact or a value"),
        ("trigger.when", "estimate.status == Open", "a text stands in quotes: 'Open'"),
        ("trigger.when", "customer.opted_out", "is not known yet when estimate_created is recorded"),
        ("trigger.when", "event.totl > 1", "there is no fact event.totl; did you mean event.total?"),
        ("trigger.conditions", {"estimate.total": {"$gt3": 1}}, "there is no operator '$gt3'"),
        ("stop.0", "membership.status == 'x'", "what estimate_created is about (estimate) has no membership"),
        ("stop.1", {"reason": "none"}, "stop 2.when: expected a condition"),
        ("stop.1", {"when": "estimate.status > 3"}, "stop 2.when: column 1"),
        ("business_hours.days", ["monday"], "business_hours.days: there is no day 'monday'"),
        ("business_hours.closes", "08:00", "expected a time after 09:00"),
        ("steps", [], "steps: expected between 1 and 100 steps"),
        ("steps.0.name", "third", "several steps are named 'third'"),
        ("steps.0.delay", "soon", 'step 1.delay: expected a delay such as "2 hours"'),
        ("steps.0.delay", {"on": "9999-12-31"}, "step 1.delay.on: expected a date between 1900 and 9000"),
        ("steps.1.delay.at", "25:00", "step 2.delay.at: expected a time of day"),
        ("steps.2.delay.until", "estimate.total", "estimate.total is neither a date nor an instant"),
        (
            "steps.0.branches.0.to",
            "thrid",
            "step 1.branch 1.to: there is no step 'thrid'; did you mean 'third'?",
        ),
        ("steps.2.branches", [{"when": "true", "to": "first"}], "leads to a later step"),
        ("steps.2.wait_for.event", "estimate_sold", "step 3.wait_for.event: there is no event"),
        ("steps.2.wait_for.on_timeout", "go", "expected one of run, skip, stop, found 'go'"),
        ("steps.0.retry.attempts", 0, "step 1.retry.attempts: expected a whole number between 1 and 100"),
        ("steps.0.timeout", "30", "step 1.timeout: expected a duration with its unit"),
        ("steps.0.with", "x", "step 1.with: expected a table"),
        ("steps.0", "x", "step 1: expected a table"),
    ],
)
def test_what_is_not_understood_names_its_place(path: str, value: object, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        decode(changed(path, value), source="x.toml")
    assert caught.value.source == "x.toml"
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            "steps.0.action",
            "send_sns",
            "step 1.action: there is no action 'send_sns'; did you mean 'send_sms'?",
        ),
        ("steps.0.with", {"templat": "x"}, "send_sms has no such parameter; did you mean 'template'?"),
        ("steps.0.with", {"template": "estimat_sent"}, "there is no template 'estimat_sent'; did you mean"),
        (
            "steps.0.with",
            {"text": "Hi {customer.nme}"},
            "there is no fact customer.nme; did you mean customer.name?",
        ),
        ("steps.0.with", {"text": "Hi {{ customer.name"}, "step 1.with: "),
        ("steps.0.with", {}, "give template or text"),
        ("steps.1.fallback.action", "text", "step 2.fallback.action: there is no action 'text'"),
        ("steps.2.with", {"tags": []}, "step 3.with: "),
        (
            "steps.2",
            {"name": "third", "action": "post_webhook", "with": {"webhook": "n9n"}},
            "step 3.with.webhook: there is no webhook 'n9n' in [[workflows.webhooks]]; did you mean 'n8n'?",
        ),
        (
            "steps.1.fallback",
            {"action": "post_slack", "with": {"text": "Hi", "webhook": "office"}},
            "fallback.with.webhook: there is no webhook 'office' in [[workflows.webhooks]]; there are n8n",
        ),
    ],
)
def test_what_a_step_is_told_is_checked(path: str, value: object, problem: str) -> None:
    found = list(problems_of(decode(changed(path, value), source="x.toml"), KNOWN))
    assert any(problem in one for one in found), found


def test_bottomless_definition_is_refused() -> None:
    document = whole()
    inner: list[Any] = []
    for _ in range(400):
        inner = [inner]
    document["steps"][0]["with"] = {"tags": inner}
    with pytest.raises(DefinitionError, match="nested deeper"):
        decode(document, source="x.toml")
    with pytest.raises(DefinitionError):
        from_toml(b"a = " + b"[" * 5000, source="x.toml")
    with pytest.raises(DefinitionError):
        from_toml(b"a = " + b"1" * 5000, source="x.toml")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    document = changed("steps.0.delay", "soon") | {"priority": "high", "colour": "red"}
    with pytest.raises(DefinitionError) as caught:
        decode(document, source="x.toml")
    assert len(caught.value.problems) == 3


def test_texts_may_mention_what_steps_put_into_the_context() -> None:
    document = whole()
    document["steps"][1] = {"action": "query", "with": {"sql": "SELECT '{x}'", "into": "rows"}}
    document["steps"][2]["wait_for"] = None
    document["steps"].append({"action": "send_sms", "with": {"text": "{rows.count} of {context.rows.total}"}})
    del document["steps"][2]["wait_for"]
    assert not list(problems_of(decode(document, source="x.toml"), KNOWN))


def test_one_bad_file_leaves_the_others_alone(tmp_path: Path) -> None:
    good, twin, bad, broken = (tmp_path / f"{name}.toml" for name in ("a", "b", "c", "d"))
    good.write_bytes(WHOLE)
    twin.write_bytes(WHOLE)
    bad.write_bytes(WHOLE.replace(b"send_sms", b"send_sns"))
    broken.write_bytes(b"name = ")
    found = load_files([good, twin, bad, broken, tmp_path / "e.toml"], known=KNOWN)
    assert [one.source for one in found.workflows] == [str(good)]
    assert [failure.source for failure in found.failures] == [
        str(path) for path in (twin, bad, broken, tmp_path / "e.toml")
    ]
    assert "is the name of" in str(found.failures[0])
