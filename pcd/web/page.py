"""The status page: one HTML document, no scripts, nothing loaded from anywhere. Pure."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

_STYLE = files("pcd.web").joinpath("page.css").read_text(encoding="utf-8")
_TONES = {
    "running": "good", "completed": "good", "ok": "good",
    "degraded": "bad", "failed": "bad",
    "waiting": "wait", "starting": "wait", "standby": "wait", "paused": "wait", "started": "wait",
    "interrupted": "wait", "warn": "wait", "fail": "bad",
}  # fmt: skip
_WORDS = {"started": "under way", "fail": "fails", "warn": "warns"}
_WELL = {"ok": "all is well", "warn": "a warning", "degraded": "needs a look"}
_GHL = {
    "live": ("done", "calls to GoHighLevel, live"),
    "shadow": ("dry_run", "calls to GoHighLevel, recorded but not sent"),
    "off": ("done", "calls; GoHighLevel is off"),
}
_MESSAGES = {
    "live": ("sent", "messages, live"),
    "dry_run": ("dry_run", "messages, recorded but not sent"),
    "off": ("sent", "messages; they are off"),
}
_EVENTS = 12


def render(
    status: Mapping[str, Any], *, watch: Mapping[str, Any] | None = None, day: Mapping[str, Any] | None = None
) -> str:
    """Return the page for *status*, as `pcd.control.status.StatusReader.read` makes it.

    *watch* and *day* are what `pcd.wellbeing.Wellbeing` tells of health and of the last 24 hours.
    """
    daemon, health = status["daemon"], _overall(status["health"], watch)
    now: datetime = status["at"]
    facts = f"up {_length(daemon['uptime_seconds'])} · {daemon['database']} · {now:%Y-%m-%d %H:%M:%S} UTC"
    troubles = "".join(f"<p class=trouble>{escape(line)}</p>" for line in status["troubles"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">'
        f"<title>pcd: {escape(_WELL[health])}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>pcd <small>{escape(daemon['version'])}</small></h1>"
        f'<span class="badge {_TONES[health]}">{escape(_WELL[health])}</span>'
        f'<span class="quiet">{escape(facts)}</span></header>'
        f"{troubles}{_alerts(watch, now)}{_under_way(status['under_way'])}"
        f"{_tiles(status, now)}{_day(day)}{_health(watch, now)}"
        f"{_services(status['services'])}{_pauses(status['pauses'], now)}{_mirror(status)}"
        f"{_passes(status['passes'], now)}"
        "<footer>For programs: /metrics, /health, /health/detailed, /ready</footer></body></html>"
    )


def _overall(health: str, watch: Mapping[str, Any] | None) -> str:
    """Return the worse of what the supervisor sees and what was measured."""
    level = watch["level"] if watch else "ok"
    return "degraded" if health == "degraded" or level == "fail" else level


def _alerts(watch: Mapping[str, Any] | None, now: datetime) -> str:
    lines = (
        f'<p class="trouble {_tone(each["level"])}">{escape(each["title"])} '
        f"<span class=quiet>told {_since(each['since'], now)}</span></p>"
        for each in (watch["alerts"] if watch else ())
    )
    return "".join(lines)


def _day(day: Mapping[str, Any] | None) -> str:
    """Show what came of the last 24 hours, from what happened to what was done about it."""
    if day is None:
        return ""
    person = [f"{each['number']:,} {each['what']}" for each in day["person"] if each["number"]]
    asks = f'<p class="trouble wait">For a person: {escape("; ".join(person))}</p>' if person else ""
    done, calls = _GHL[day["modes"]["ghl"]]
    sent, messages = _MESSAGES[day["modes"]["messages"]]
    called = [each for each in day["calls"] if each["state"] == done]
    said = [each for each in day["messages"] if each["status"] == sent]
    tiles = _grid(
        (
            (f"{_sum(day['events']):,}", "events", ""),
            (f"{_sum(day['workflows']):,}", "workflows started or ended", ""),
            (f"{_sum(called):,}", calls, ""),
            (f"{_sum(said):,}", messages, ""),
            (f"{len(day['remedies']):,}", "remedies tried", ""),
        )
    )
    return f"<h2>The last 24 hours</h2>{asks}{tiles}{_outcomes(day)}"


def _outcomes(day: Mapping[str, Any]) -> str:
    """Show what happened beside what followed from it; the rarest events are left to `pcd digest`."""
    events = [(_spaced(each["type"]), each["number"]) for each in day["events"][:_EVENTS]]
    dry = {"dry_run": "only recorded"}
    calls = [
        (_spaced(each["kind"]), dry.get(each["state"], each["state"]), each["number"])
        for each in day["calls"]
    ]
    workflows = [(each["name"], each["status"], each["number"]) for each in day["workflows"]]
    messages = [
        (each["channel"], dry.get(each["status"], each["status"]), each["number"]) for each in day["messages"]
    ]
    left = _table(("What happened", ""), events)
    right = (
        _table(("In GoHighLevel", "", ""), calls)
        + _table(("Workflows", "", ""), workflows)
        + _table(("Messages to customers", "", ""), messages)
    )
    return f"<section class=halves><div>{left}</div><div>{right}</div></section>" if left or right else ""


def _health(watch: Mapping[str, Any] | None, now: datetime) -> str:
    if watch is None or watch["looked_at"] is None:
        return ""
    checks = watch["checks"]
    rows = [
        (each["component"], _toned(each["level"]), each["text"]) for each in checks if each["level"] != "ok"
    ]
    good = len(checks) - len(rows)
    text = f"{good} of {len(checks)} checks are well, measured {_since(watch['looked_at'], now)}."
    return f"<h2>Health</h2><p class=quiet>{escape(text)}</p>{_table(('Check', '', 'Found'), rows)}"


def _under_way(order: Mapping[str, Any] | None) -> str:
    if order is None:
        return ""
    what = "comparison with ServiceTitan" if order["mode"] == "gaps" else f"{order['mode']} sync"
    text = f"Under way: {what}, {order['fetched']:,} records read"
    if not order["total"]:
        return f"<p>{escape(text)}.</p>"
    left = order["seconds_left"]
    end = "" if left is None else f", about {_length(left)} left"
    bar = f'<progress value="{order["fetched"]}" max="{order["total"]}"></progress>'
    return f"<p>{escape(text)} of about {order['total']:,}{end}.</p>{bar}"


def _tiles(status: Mapping[str, Any], now: datetime) -> str:
    resources = status["resources"]
    if not resources:
        return ""
    ages = [each["age_seconds"] for each in resources if each["age_seconds"] is not None]
    loaded = sum(each["first_load_completed_at"] is not None for each in resources)
    fulls = [
        each["full_completed_at"] or each["first_load_completed_at"]
        for each in resources
        if each["first_load_completed_at"]
    ]
    everything = len(fulls) == len(resources)
    tiles = (
        (f"{sum(each['rows'] for each in resources):,}", "rows in the mirror", ""),
        (f"{loaded} of {len(resources)}", "resources loaded", "" if loaded == len(resources) else "wait"),
        (f"{_length(min(ages))} ago" if ages else "never", "last look at ServiceTitan", ""),
        (_since(min(fulls), now) if everything else "not yet", "all compared in full", ""),
        (f"{status['quarantined']:,}", "quarantined records", "bad" if status["quarantined"] else ""),
    )
    return _grid(tiles)


def _grid(tiles: Iterable[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<div><b class="{tone}">{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name, tone in tiles
    )
    return f"<section class=tiles>{cells}</section>"


def _sum(counted: Iterable[Mapping[str, Any]]) -> int:
    return sum(each["number"] for each in counted)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _services(services: Sequence[Mapping[str, Any]]) -> str:
    chips = "".join(
        f'<li class="{_tone(each["state"])}"><b>{escape(each["name"])}</b> {escape(each["state"])}'
        f"{_why(each)}</li>"
        for each in services
    )
    return f"<h2>Services</h2><ul class=chips>{chips}</ul>"


def _why(service: Mapping[str, Any]) -> str:
    detail = service["detail"]
    return f"<span>{escape(detail)}</span>" if detail and detail != service["state"] else ""


def _pauses(pauses: Sequence[Mapping[str, Any]], now: datetime) -> str:
    lines = (
        f"<p class=wait>{escape(each['name'])} was paused {_since(each['paused_at'], now)}"
        f"{escape(': ' + each['reason'] if each['reason'] else '')}</p>"
        for each in pauses
    )
    return "".join(lines)


def _mirror(status: Mapping[str, Any]) -> str:
    """Show business records and reference data beside each other."""
    order = status["under_way"]
    halves = []
    for title, is_reference in (("Records", False), ("Reference data", True)):
        rows = [
            (each["name"], each["rows"], _compared(each, order), each["quarantined"] or "")
            for each in status["resources"]
            if each["reference"] is is_reference
        ]
        halves.append(_table((title, "Rows", "Compared", "Quarantined"), rows))
    return f"<h2>Mirror</h2><section class=halves>{''.join(halves)}</section>" if any(halves) else ""


def _compared(resource: Mapping[str, Any], order: Mapping[str, Any] | None) -> str:
    if resource["first_load_completed_at"]:
        return "just now" if resource["age_seconds"] is None else f"{_length(resource['age_seconds'])} ago"
    if order is None or resource["name"] not in order["resources"]:
        return "not loaded yet"
    expected = order["expected"].get(resource["name"])
    fetched = order["resources"][resource["name"]]["fetched"]
    return f"loading, {min(fetched / expected, 0.99):.0%}" if expected else "loading"


def _passes(passes: Sequence[Mapping[str, Any]], now: datetime) -> str:
    rows = (
        (
            each["sync_type"],
            each["triggered_by"],
            _since(each["started_at"], now),
            _took(each),
            each["resources"],
            each["records_fetched"],
            each["records_written"],
            _toned(each["status"]),
            ", ".join(each["failed"]),
        )
        for each in passes
    )
    heads = ("Kind", "Asked by", "Began", "Took", "Resources", "Read", "Written", "", "Failed")
    shown = _table(heads, rows)
    return f"<h2>Last syncs</h2>{shown}" if shown else ""


def _took(sync: Mapping[str, Any]) -> str:
    if sync["completed_at"] is None:
        return ""
    return f"{(sync['completed_at'] - sync['started_at']).total_seconds():,.1f} s"


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _toned(word: str) -> _Html:
    return _Html(f'<span class="{_tone(word)}">{escape(_WORDS.get(word, word))}</span>')


def _tone(word: str) -> str:
    return _TONES.get(word, "quiet")


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table, numbers to the right; a column that holds nothing is left out, and so is a table."""
    columns = [
        (head, values)
        for head, values in zip(heads, zip(*rows, strict=True), strict=False)
        if any(value != "" for value in values)
    ]
    if not columns:
        return ""
    marks = [
        " class=number" if any(isinstance(each, int) for each in values) else "" for _, values in columns
    ]

    def line(tag: str, values: Sequence[object]) -> str:
        cells = (f"<{tag}{mark}>{_cell(value)}</{tag}>" for mark, value in zip(marks, values, strict=True))
        return f"<tr>{''.join(cells)}</tr>"

    head = line("th", [name for name, _ in columns])
    body = "".join(line("td", row) for row in zip(*(values for _, values in columns), strict=True))
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    match value:
        case _Html():
            return str(value)
        case int():
            return f"{value:,}"
        case _:
            return escape(str(value))


def _since(instant: datetime, now: datetime) -> str:
    return f"{_length((now - instant).total_seconds())} ago"


def _length(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
