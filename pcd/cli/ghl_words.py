"""What ``pcd ghl`` says to people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pcd.cli.show import cut, screen, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN = 60
_NO_DIFFERENCE = "no differences"
_NO_PART = "none: takes no part"
_NOTHING = "nothing"
_OWNED = (
    "A contact that is another customer's is not linked: merge the two customers in ServiceTitan if they are "
    "one,\nor give this one an e-mail and a phone of its own there. It is considered again by itself then."
)
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "firstName": "first name",
        "lastName": "last name",
        "email": "e-mail",
        "address1": "street",
        "postalCode": "postal code",
        "dnd": "do not disturb",
        "pipelineStageId": "stage",
        "monetaryValue": "value",
    }
)


def synced(told: Mapping[str, Any]) -> str:
    """Return what was pulled, and what is owed because of it."""
    lines = [
        f"{each['collection']}: {each['fetched']:,} read, {each['created']:,} new, {each['gone']:,} gone"
        for each in told.get("pulled", ())
    ]
    for each in told.get("would_pull", ()):
        brought = f"{each['created']:,} new, {each['updated']:,} changed and {each['gone']:,} gone"
        lines.append(
            f"{each['collection']}: {each['fetched']:,} read; {brought} would be copied, nothing was"
        )
    if "customers" in told:
        lines.append(passed(told))
    if "calls" in told:
        lines.append(differences(told["calls"]))
    return "\n".join(lines)


def passed(told: Mapping[str, Any]) -> str:
    """Return what came of a pass."""
    parked = f", {told['parked']:,} parked (`pcd ghl conflicts`)" if told["parked"] else ""
    return (
        f"{told['customers']:,} customers considered: {told['created']:,} creations and "
        f"{told['updated']:,} updates owed{parked}"
    )


def findings(found: Sequence[Mapping[str, Any]]) -> str:
    """Return what is right and what is wrong, and what to do."""
    lines = []
    for each in found:
        lines.append(f"{'ok  ' if each['ok'] else 'NO  '}{each['subject']}: {each['text']}")
        if each["remedy"]:
            lines.append(f"      → {each['remedy']}")
    return "\n".join(lines)


def cost(told: Mapping[str, Any]) -> str:
    """Return what a backfill would do and cost."""
    calls = ", ".join(f"{count:,} {kind}" for kind, count in sorted(told["calls"].items())) or "none"
    return "\n".join(
        (
            f"{told['customers']:,} customers do not take part yet; of them",
            f"  {told['adopted']:,} have a contact in GoHighLevel already and would be adopted",
            f"  {told['without_contact']:,} get no contact (inactive, merged, or no way to reach them)",
            f"  {told['conflicts']:,} would be parked for a person to decide",
            f"calls: {calls}",
            (
                f"cost: {told['writes']:,} writes and at most {told['lookups']:,} look-ups, about "
                f"{told['minutes']:g} minutes; {told['daily_remaining']:,} of {told['daily_budget']:,} calls "
                "of today are left"
            ),
            "Workflows of GoHighLevel that these calls trigger send real messages: switch them off first.",
            "Nothing was written. `pcd ghl backfill --yes` does it.",
        )
    )


def backfilled(told: Mapping[str, Any]) -> str:
    """Return how many were taken in."""
    return f"{told['customers']:,} customers are taken in; `pcd ghl status` shows how far it is"


def drift(told: Mapping[str, Any]) -> str:
    """Return every difference, and what others made meanwhile where that was asked for."""
    found, made = told["differences"], told.get("made_there")
    if made is None:
        return differences(found)
    calls = [each for each in found if each["what"] == "call"]
    others = [each for each in found if each["what"] != "call"]
    parts = {
        "we would do, and nobody has done there": differences(calls) if calls else _NOTHING,
        "stands there otherwise, and we would leave it so": differences(others) if others else _NOTHING,
        "somebody has made there since GoHighLevel was enabled here, and we would not": _made(made)
        or _NOTHING,
    }
    return "\n\n".join(f"{head}:\n{text}" for head, text in parts.items())


def _made(made: Mapping[str, Any]) -> str:
    rows = [
        (
            _customer(each),
            "contact",
            each["name"],
            f"known by {each['known_by']}",
            _instead(each),
            each["ghl_id"],
        )
        for each in made["contacts"]
    ]
    rows += [
        (
            _customer(each),
            "opportunity",
            each["name"],
            f"{each['pipeline_name']}: {each['stage_name']}, {each['status']}",
            "another one, or none" if each["takes_part"] else _NO_PART,
            each["ghl_id"],
        )
        for each in made["opportunities"]
    ]
    heads = ("customer", "what", "name", "as", "ours", "id there")
    return cut(table(heads, rows), width=screen()) if rows else ""


def _customer(each: Mapping[str, Any]) -> str:
    return "unknown" if each["customer_id"] is None else str(each["customer_id"])


def _instead(each: Mapping[str, Any]) -> str:
    """Return what we take for the customer's contact instead of one that was made there."""
    if each["customer_id"] is None:
        return "none: no customer is known by it"
    if each["ours"]:
        return f"contact {each['ours']}"
    return "none: see `pcd explain customer`" if each["takes_part"] else _NO_PART


def differences(found: Sequence[Mapping[str, Any]]) -> str:
    """Return differences as a table with the rule that would mend each."""
    # A stage says which pipeline it is of.
    found = [each for each in found if each.get("field") != "pipelineId"]
    if not found:
        return _NO_DIFFERENCE
    rows = [
        (str(each["customer_id"]), _what(each), each.get("rule", "kept until the facts change"), _sides(each))
        for each in found[:_SHOWN]
    ]
    shown = cut(table(("customer", "difference", "rule", "theirs → ours"), rows), width=screen())
    more = len(found) - len(rows)
    count = f"{len(found):,} difference{'s' * (len(found) != 1)}"
    return f"{shown}\n{count}" + (f", {more:,} not shown (--json has all)" if more else "")


def conflicts(found: Sequence[Mapping[str, Any]]) -> str:
    """Return who is parked, and how to decide."""
    if not found:
        return "no conflicts"
    rows = [
        (
            str(each["customer_id"]),
            each["reason"],
            ", ".join(_candidate(each, key, by) for key, by in each["contacts"].items()),
        )
        for each in found
    ]
    heads = ("customer", "why", "contacts")
    lines = [table(heads, rows)]
    if any(each["contacts"].keys() - each["owners"].keys() for each in found):
        lines.append("`pcd ghl link CUSTOMER CONTACT` decides one")
    if any(each["owners"] for each in found):
        lines.append(_OWNED)
    return "\n".join(lines)


def _candidate(each: Mapping[str, Any], contact_id: str, by: Sequence[str]) -> str:
    owner = each["owners"].get(contact_id)
    whose = "" if owner is None else f" (customer {owner}'s)"
    return f"{contact_id} by {'+'.join(by)}{whose}"


def linked(told: Mapping[str, Any]) -> str:
    """Return what was decided."""
    return f"contact {told['contact_id']} is customer {told['customer_id']} now"


def retried(told: Mapping[str, Any]) -> str:
    """Return how many calls are sent again."""
    count = len(told["retried"])
    if not count:
        return "no call was given up"
    return "1 call is sent again" if count == 1 else f"{count:,} calls are sent again"


def switched(told: Mapping[str, Any]) -> str:
    """Return how it stands after the switch."""
    words = {"live": "live: calls are sent", "shadow": "in shadow: calls are recorded, none is sent"}
    return f"GoHighLevel is {words[told['mode']]} (before: {told['before']})"


def units(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the business units and their switch."""
    is_any = any(each["ghl_pipeline_id"] for each in found)
    rows = [
        (
            str(each["st_id"]),
            each["name"],
            each["ghl_pipeline_id"] or "",
            bool(each["ghl_pipeline_id"]) or not is_any,
        )
        for each in found
    ]
    return (
        table(("unit", "name", "pipeline", "estimates are pushed"), rows) if rows else "no business units yet"
    )


def status(told: Mapping[str, Any]) -> str:
    """Return how it stands between the two systems."""
    calls, people = told["calls"], told["customers"]
    since = f" (enabled {told['enabled_since']:%Y-%m-%d %H:%M} UTC)" if told["enabled_since"] else ""
    lines = [
        f"mode: {told['mode']}{since}",
        (
            f"customers: {people['customers']:,} take part, {people['linked']:,} linked, "
            f"{people['waiting']:,} to be considered, {people['conflicts']:,} parked, {people['held']:,} held"
        ),
        (
            f"calls: {calls['owed']:,} owed, {calls['sending']:,} under way, {calls['dead']:,} given up; "
            f"{calls['done_today']:,} answered in a day, {calls['dry_run_today']:,} only recorded"
        ),
    ]
    if told["breaker"]:
        lines.append(f"NOTHING IS SENT: {told['breaker']}")
    if told["missing_stages"]:
        missing = ", ".join(told["missing_stages"])
        lines.append(f"not in GoHighLevel (any more), what needs it waits: stage {missing}")
    lines += [
        f"given up: call {each['id']} ({each['kind']}, customer {each['customer_id']}): {each['error']}"
        for each in told["dead"]
    ]
    if told["passes"]:
        heads = ("pass", "status", "looked at", "created", "updated", "failed", "ended (UTC)")
        rows = [
            (
                each["sync_type"],
                each["status"],
                each["records_fetched"],
                each["records_created"],
                each["records_updated"],
                each["records_failed"],
                f"{each['completed_at']:%H:%M:%S}" if each["completed_at"] else "",
            )
            for each in told["passes"]
        ]
        lines.append(table(heads, rows))
    return "\n".join(lines)


def explained(told: Mapping[str, Any]) -> str:
    """Return everything about one customer, in the order in which it happened."""
    lines = [f"customer {told['customer_id']} (times are UTC)", "", "seen:"]
    lines += [f"  {each['occurred_at']:%Y-%m-%d %H:%M} {_event(each)}" for each in told["seen"]] or [
        "  nothing"
    ]
    lines += ["", "takes part:", f"  {_part(told)}", "", "should stand in GoHighLevel:"]
    lines += [f"  {line}" for line in told["decided"]] or ["  nothing"]
    lines += ["", "sent and not sent:"]
    lines += [f"  {_call(each)}" for each in told["calls"]] or ["  no call so far"]
    lines += ["", "still to come:"]
    left = list(told["left"])
    left += [f"to be considered: {told['waits']['cause']}"] if told["waits"] else []
    left += [f"parked: {told['conflict']['reason']}"] if told["conflict"] else []
    lines += [f"  {line}" for line in left] or ["  nothing"]
    return "\n".join(lines)


def _part(told: Mapping[str, Any]) -> str:
    part = told["takes_part"]
    if part is None:
        return f"no: {told['why_not']}"
    linked_to = f"; contact {part['contact_id']}, by {part['matched_by']}" if part["contact_id"] else ""
    return f"since {part['admitted_at']:%Y-%m-%d %H:%M} because of {part['admitted_by']}{linked_to}"


def _event(each: Mapping[str, Any]) -> str:
    told = f" (told to nobody: {each['suppressed_reason']})" if each["suppressed_reason"] else ""
    return f"{each['type']} {each['entity_type']} {each['entity_id']}{told}"


def _call(each: Mapping[str, Any]) -> str:
    error = f": {each['error']}" if each["error"] else ""
    target = f" {each['target_id']}" if each["target_id"] else ""
    return (
        f"{each['owed_at']:%Y-%m-%d %H:%M} {each['state']}: {each['kind']}{target}, {each['reason']}, "
        f"because of {each['cause']}{error}"
    )


def _what(each: Mapping[str, Any]) -> str:
    if each["what"] == "kept":
        return f"{_field(each['field'])} was changed there"
    if each["what"] == "deleted":
        return f"{each['entity']} deleted in GoHighLevel"
    return each["call"] if each["what"] == "call" else str(each["what"])


def _sides(each: Mapping[str, Any]) -> str:
    if each["what"] == "kept":
        names = each["stages"]
        theirs, ours = (names.get(str(side), side) for side in (each["theirs"], each["ours"]))
        return f"{theirs} (ours: {ours})"
    if each["what"] == "deleted":
        return f"none (ours: {each['target']})"
    if each["what"] != "call":
        return ""
    theirs, names = each["theirs"] or {}, each["stages"]
    sides: list[str] = []
    for name, value in each["ours"].items():
        before = theirs.get(name)
        if name == "pipelineStageId":
            sides.insert(0, f"stage: {_side(names.get(before) or before)}{names.get(value) or value}")
        elif name != "pipelineId":
            sides.append(f"{_field(name)}: {_side(before)}{value}")
    return "; ".join(sides)


def _field(name: str) -> str:
    """Return what a field of GoHighLevel's is called by people."""
    if name.startswith("customFields."):
        return "custom field"
    return _FIELDS.get(name, name)


def _side(theirs: object) -> str:
    return "" if theirs is None else f"{theirs} → "
