"""The words of health for people: the form that the old system had, alerts, the digest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pcd.health.alert import News
from pcd.health.check import Level
from pcd.health.remedy import REMEDIES, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from pcd.health.alert import Alert, Notice
    from pcd.health.check import Verdict

_STATUS = {Level.OK: "healthy", Level.WARN: "warning", Level.FAIL: "critical"}
_MARKS = {
    News.RAISED: "🔴",
    News.WORSE: "🔴",
    News.RECOVERED: "🟢",
    News.TEST: "🔵",
}
_OUTCOMES = {
    Result.HELPED.value: "✅",
    Result.DID_NOT_HELP.value: "❌",
    Result.FAILED.value: "❌",
    Result.DRY_RUN.value: "(dry run)",
}
_MOST = 20
_LONGEST = 3500


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel sends: a line that says it all, and the whole text; *notices* for programs."""

    subject: str
    text: str
    notices: tuple[Notice, ...] = ()


def verdicts(found: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Return *found* as JSON values, worst first."""
    ranked = sorted(found, key=lambda verdict: -verdict.level.rank)
    return [
        {
            "component": verdict.check,
            "level": verdict.level.value,
            "status": _STATUS[verdict.level],
            "text": verdict.text,
            "since": verdict.since,
            "is_measured": verdict.is_measured,
            "doubts": [part.sentence for part in verdict.parts if part.leaning.rank > part.level.rank],
            "details": dict(verdict.worst.details) if verdict.worst else {},
            "subjects": [
                {"name": part.subject, "level": part.level.value, "text": part.text} for part in verdict.parts
            ],
        }
        for verdict in ranked
    ]


def report(
    checks: Sequence[Mapping[str, Any]], remedies: Sequence[Mapping[str, Any]], *, verbose: bool
) -> str:
    """Return the health report of the old monitoring agent, from `verdicts` and what was tried since then."""
    bad = [check for check in checks if check["level"] != Level.OK.value]
    doubts = [(check["component"], doubt) for check in checks for doubt in check["doubts"]]
    well = "✅ Healthy so far; looking once more at this:" if doubts else "✅ All systems healthy"
    lines = ["⚠️  Issues detected" if bad else well]
    for check in bad:
        lines += [f"   Component: {check['component']}", f"   Status: {check['status']}"]
        if check["details"]:
            lines.append(f"   Details: {{ {_pairs(check['details'])} }}")
        lines.append(f"   {check['text']}")
        for remedy in remedies:
            if remedy["check"] == check["component"] and remedy["started_at"] >= check["since"]:
                lines += [f"   {line}" for line in _remedy(remedy)]
    if not bad:
        lines += [f"   {component}: {doubt}" for component, doubt in doubts]
    if verbose:
        width = max((len(check["component"]) for check in checks), default=0)
        lines += [
            f"   {check['component']:<{width}}  {check['level']:<4}  {check['text']}" for check in checks
        ]
    return "\n".join(lines)


def message(notices: Sequence[Notice], *, name: str = "pcd") -> Message:
    """Return one message about *notices*, grouped by what they have in common, worst first."""
    order = {News.RAISED: 0, News.WORSE: 0, News.TEST: 1, News.RECOVERED: 2}
    ranked = sorted(
        notices, key=lambda each: (order[each.news], -each.alert.level.rank, each.alert.group, each.alert.key)
    )
    blocks = [_block(notice) for notice in ranked[:_MOST]]
    if len(ranked) > _MOST:
        blocks.append(f"... and {len(ranked) - _MOST} more; `pcd alerts list` shows them")
    return Message(
        subject=f"{name}: {_subject(ranked)}", text=_cut("\n\n".join(blocks)), notices=tuple(ranked)
    )


def digest(told: Mapping[str, Any], *, name: str, zone: tzinfo) -> Message:
    """Return the daily digest as a message; *told* is what `pcd.health.digester` gathered."""
    until: datetime = told["until"]
    person = [each for each in told["person"] if each["number"]]
    sections = [
        ("Needs a person", [f"{each['number']:,} {each['what']}" for each in person] or ["nothing"]),
        ("Synced", _synced(told["syncs"])),
        ("What happened", [f"{_words(each['type'])}: {each['number']:,}" for each in told["events"]]),
        (
            "Messages to customers",
            [f"{each['channel']} {each['status']}: {each['number']:,}" for each in told["messages"]],
        ),
        ("In GoHighLevel", [_call(each) for each in told["calls"]]),
        (
            "Workflows",
            [f"{each['name']} {each['status']}: {each['number']:,}" for each in told["workflows"]],
        ),
        ("Healed by itself", [_healed(each, zone) for each in told["remedies"]]),
    ]
    body = "\n\n".join(
        "\n".join((f"{head}:", *(f"  {line}" for line in lines))) for head, lines in sections if lines
    )
    day = until.astimezone(zone)
    waiting = f", {sum(each['number'] for each in person):,} things need a person" if person else ""
    head = f"The last 24 hours until {day:%A %Y-%m-%d %H:%M}"
    return Message(subject=f"{name}: daily digest{waiting}", text=_cut(f"{head}\n\n{body}"))


def _remedy(remedy: Mapping[str, Any]) -> list[str]:
    known = REMEDIES.get(remedy["remedy"])
    lines = [f"→ {known.doing if known else remedy['remedy']}"]
    if mark := _OUTCOMES.get(remedy["result"]):
        good = remedy["result"] == Result.HELPED.value
        lines.append(f"{mark} {known.done if known and good else remedy['detail'] or remedy['result']}")
    return lines


def _pairs(details: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in details.items())


def _subject(notices: Sequence[Notice]) -> str:
    first = notices[0]
    more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
    match first.news:
        case News.RECOVERED:
            return f"well again: {first.alert.title}{more}"
        case _:
            return f"{first.alert.title}{more}"


def _block(notice: Notice) -> str:
    alert = notice.alert
    mark = "🟡" if alert.level is Level.WARN and notice.news is News.RAISED else _MARKS[notice.news]
    if notice.news is News.RECOVERED:
        how = f": {alert.resolution}" if alert.resolution else ""
        return f"{mark} Well again: {alert.title}{how}{_lasted(alert)}"
    return "\n".join(filter(None, (f"{mark} {alert.title}", alert.text)))


def _lasted(alert: Alert) -> str:
    if alert.resolved_at is None:
        return ""
    minutes = (alert.resolved_at - alert.raised_at).total_seconds() / 60
    return f" (it lasted {minutes:.0f} min)"


def _synced(syncs: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{each['resource']}: {each['created']:,} new, {each['updated']:,} changed"
        + (f", {each['failed']:,} of {each['passes']:,} passes failed" if each["failed"] else "")
        for each in syncs
        if each["created"] or each["updated"] or each["failed"]
    ] or ["nothing changed"]


def _call(call: Mapping[str, Any]) -> str:
    dry = " (dry run)" if call["state"] == "dry_run" else ""
    return f"{_words(call['kind'])}: {call['number']:,}{dry}"


def _healed(remedy: Mapping[str, Any], zone: tzinfo) -> str:
    at = remedy["started_at"].astimezone(zone)
    return f"{at:%H:%M} {remedy['check']}: {_words(remedy['remedy'])}, {_words(remedy['result'])}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n..."
