"""The words for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pcd.health import describe
from pcd.health.alert import Alert, News, Notice
from pcd.health.channels.slack import escape
from pcd.health.channels.webhook import pagerduty
from pcd.health.check import Level, Part, Verdict

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def alert(title: str, *, level: Level = Level.FAIL, minutes: float | None = None) -> Alert:
    over = None if minutes is None else NOON + timedelta(minutes=minutes)
    return Alert(
        key=f"health.{title}",
        level=level,
        title=title,
        text="Look at it.",
        raised_at=NOON,
        seen_at=NOON,
        resolved_at=over,
        resolution="" if over is None else "it works",
    )


def sync(level: Level) -> Verdict:
    part = Part(
        subject="customers",
        level=level,
        value=2700,
        text="not compared for 45 min",
        details={"minutesSince": 45},
    )
    return Verdict(
        check="sync", level=level, text="customers: not compared for 45 min", since=NOON, parts=(part,)
    )


def tried(result: str, detail: str, *, at: datetime = NOON) -> dict[str, Any]:
    return {"check": "sync", "remedy": "resync", "result": result, "detail": detail, "started_at": at}


def test_report_has_the_form_of_the_old_monitoring_agent() -> None:
    checks = describe.verdicts([sync(Level.WARN)])
    remedies = [
        tried("helped", "sync completed"),
        tried("failed", "of long ago", at=NOON - timedelta(days=1)),
    ]
    assert describe.report(checks, remedies, verbose=False).splitlines() == [
        "⚠️  Issues detected",
        "   Component: sync",
        "   Status: warning",
        "   Details: { minutesSince: 45 }",
        "   customers: not compared for 45 min",
        "   → Triggering manual sync...",
        "   ✅ Manual sync completed successfully",
    ]


def test_report_of_a_healthy_system_is_one_line() -> None:
    well = Verdict(check="sync", level=Level.OK, text="fine", since=NOON)
    assert describe.report(describe.verdicts([well]), [], verbose=False) == "✅ All systems healthy"
    assert "sync  ok    fine" in describe.report(describe.verdicts([well]), [], verbose=True)


def test_report_names_what_is_not_believed_yet() -> None:
    part = Part(
        subject="servicetitan",
        level=Level.OK,
        value=2,
        text="degraded: refused",
        leaning=Level.FAIL,
        streak=1,
    )
    early = Verdict(check="services", level=Level.OK, text="all 9 are well", since=NOON, parts=(part,))
    assert describe.report(describe.verdicts([early]), [], verbose=False).splitlines() == [
        "✅ Healthy so far; looking once more at this:",
        "   services: servicetitan: degraded: refused",
    ]


def test_remedy_that_did_not_help_says_so() -> None:
    remedies = [tried("did_not_help", "still old")]
    told = describe.report(describe.verdicts([sync(Level.FAIL)]), remedies, verbose=False)
    assert "Status: critical" in told
    assert "❌ still old" in told


def test_message_groups_and_says_the_worst_first() -> None:
    notices = [
        Notice(news=News.RECOVERED, alert=alert("disk", minutes=90)),
        Notice(news=News.RAISED, alert=alert("probes", level=Level.WARN)),
        Notice(news=News.RAISED, alert=alert("sync")),
    ]
    message = describe.message(notices, name="Blue Pools")
    assert message.subject == "Blue Pools: sync (and 2 more)"
    assert [line for line in message.text.splitlines() if line and line[0] in "🔴🟡🟢"] == [
        "🔴 sync",
        "🟡 probes",
        "🟢 Well again: disk: it works (it lasted 90 min)",
    ]


def test_storm_of_alerts_is_one_bounded_message() -> None:
    notices = [Notice(news=News.RAISED, alert=alert(f"a{number} " + "x" * 300)) for number in range(500)]
    message = describe.message(notices)
    assert len(message.text) < 3600
    assert len(message.notices) == 500


def test_slack_text_cannot_mention_everybody() -> None:
    assert escape("<!channel> a & b <http://evil|click>") == (
        "&lt;!channel&gt; a &amp; b &lt;http://evil|click&gt;"
    )


def test_pagerduty_resolves_what_it_triggered() -> None:
    raised = pagerduty(Notice(news=News.RAISED, alert=alert("sync")), routing_key="R")
    over = pagerduty(Notice(news=News.RECOVERED, alert=alert("sync", minutes=1)), routing_key="R")
    assert (raised["event_action"], over["event_action"]) == ("trigger", "resolve")
    assert raised["dedup_key"] == over["dedup_key"]
    assert raised["payload"]["severity"] == "critical"


def test_digest_begins_with_what_needs_a_person() -> None:
    told: dict[str, Any] = {
        "since": NOON - timedelta(days=1),
        "until": NOON,
        "syncs": [{"resource": "jobs", "passes": 5, "failed": 1, "created": 1200, "updated": 3}],
        "events": [{"type": "job_completed", "number": 7}],
        "messages": [{"channel": "sms", "status": "sent", "number": 4}],
        "calls": [{"kind": "move_opportunity", "state": "done", "number": 2}],
        "workflows": [],
        "person": [{"what": "open alerts (pcd alerts list)", "number": 2}, {"what": "nothing", "number": 0}],
        "remedies": [{"check": "sync", "remedy": "resync", "result": "helped", "started_at": NOON}],
    }
    message = describe.digest(told, name="Blue Pools", zone=NEW_YORK)
    assert message.subject == "Blue Pools: daily digest, 2 things need a person"
    assert message.text.splitlines() == [
        "The last 24 hours until Monday 2026-05-04 08:00",
        "",
        "Needs a person:",
        "  2 open alerts (pcd alerts list)",
        "",
        "Synced:",
        "  jobs: 1,200 new, 3 changed, 1 of 5 passes failed",
        "",
        "What happened:",
        "  job completed: 7",
        "",
        "Messages to customers:",
        "  sms sent: 4",
        "",
        "In GoHighLevel:",
        "  move opportunity: 2",
        "",
        "Healed by itself:",
        "  08:00 sync: resync, helped",
    ]
