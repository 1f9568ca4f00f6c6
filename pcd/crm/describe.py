"""Say in words what GoHighLevel should show, what is owed to it and what is left alone. Pure.

The sentences are for a person who asked: they may hold a customer's data, so they belong into no log.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.crm.calls import CallKind, Entity
from pcd.crm.desired import Stage
from pcd.crm.diff import words
from pcd.crm.oddity import Oddity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pcd.crm.calls import Call, Kept, Plan
    from pcd.crm.desired import CycleState, Desired, DesiredOpportunity, Fields, Note
    from pcd.crm.settings import CrmSettings

TITLES: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.NEW_LEAD: "New Lead",
        Stage.CONTACTED: "Contacted",
        Stage.APPOINTMENT_SCHEDULED: "Appointment Scheduled",
        Stage.PROPOSAL_SENT: "Appointment Completed - Proposal Sent",
        Stage.FOLLOW_UP: "Estimate Follow-up",
        Stage.JOB_SOLD: "Job Sold",
        Stage.ESTIMATE_LOST: "Estimate Lost",
        Stage.INSTALL_CREATED: "Estimate Approved / Job Created",
        Stage.INSTALL_PLANNED: "Pre-Install Planning / Permitting",
        Stage.INSTALL_SCHEDULED: "Scheduled - Ready for Install",
        Stage.INSTALL_IN_PROGRESS: "In Progress - On Site",
        Stage.INSTALL_ON_HOLD: "On Hold - Return Visit Needed",
        Stage.INSTALL_COMPLETED: "Job Completed",
    }
)
"""What the stages are called in the old system's tables."""
_VERBS: Mapping[CallKind, str] = MappingProxyType(
    {
        CallKind.CREATE_CONTACT: "create the contact",
        CallKind.UPDATE_CONTACT: "update the contact",
        CallKind.CREATE_OPPORTUNITY: "create the opportunity",
        CallKind.UPDATE_OPPORTUNITY: "update the opportunity",
        CallKind.RESET_OPPORTUNITY: "reset the opportunity",
        CallKind.ADD_NOTE: "add a note to the contact",
        CallKind.ADD_TAGS: "add tags to the contact",
        CallKind.REMOVE_TAGS: "remove tags from the contact",
        CallKind.ADD_TASK: "create a task on the contact",
        CallKind.ENROL: "put the contact into a workflow",
    }
)


def desired(wish: Desired) -> Iterator[str]:
    """Yield what should stand in GoHighLevel for a customer, the reasons for what is strange last."""
    if wish.contact is None:
        yield "no contact is to be made, and one that is there is left alone"
    else:
        known = [
            word for word, value in (("e-mail", wish.contact.email), ("phone", wish.contact.phone)) if value
        ]
        yield f"contact {wish.contact.name}, known by {' and '.join(known) or 'nothing but its link'}"
    for one in wish.opportunities:
        yield opportunity(one)
    states = {state.number: state for state in wish.history}
    for one in wish.opportunities:
        if one.cycle in states and states[one.cycle].outcome is not None:
            yield ended(states[one.cycle])
    if wish.reconsider_at is not None:
        yield f"the stage moves on by itself at {wish.reconsider_at:%Y-%m-%d %H:%M} UTC"
    yield from map(note, wish.notes)


def opportunity(one: DesiredOpportunity) -> str:
    """Return one opportunity in a sentence."""
    if one.stage is None:
        return f"opportunity of cycle {one.cycle}: {one.status}, the rest as it is"
    parts = [f"opportunity of cycle {one.cycle}: {one.name} in {TITLES[one.stage]}, {one.status}"]
    if one.value is not None:
        parts.append(f"${one.value:,.2f}")
    source = [f"job {one.job_id}"] if one.job_id else []
    source += [f"estimate {one.estimate_id}"] if one.estimate_id else []
    return ", ".join(parts) + (f" (from {' and '.join(source)})" if source else "")


def ended(state: CycleState) -> str:
    """Return how a cycle ended."""
    when = f" on {state.ended_at:%Y-%m-%d}" if state.ended_at else ""
    return f"cycle {state.number} ended as {state.outcome}{when}; a new job opens the next one"


def note(one: Note) -> str:
    """Return what was strange, and what came of it."""
    about = f"{one.about}: " if one.about else ""
    return f"{about}{one.oddity.value.input}. {one.oddity.value.outcome}"


def plan(found: Plan, settings: CrmSettings) -> Iterator[str]:
    """Yield the calls of a plan in order, then what is left alone, then what waits for a person."""
    for one in found.calls:
        yield call(one, settings)
    for each in found.kept:
        yield kept(each, settings)
    for held in found.held:
        yield f"waits: {held}"


def call(one: Call, settings: CrmSettings) -> str:
    """Return what a call would do and why."""
    cycle = f" of cycle {one.cycle}" if one.cycle is not None else ""
    target = f" {one.target}" if one.target else ""
    told = "; ".join(_told(one.fields, settings))
    return f"{_VERBS[one.kind]}{target}{cycle}: {told} ({one.why})"


def kept(one: Kept, settings: CrmSettings) -> str:
    """Return which value of GoHighLevel is left as it is, and what would change it."""
    entity = "contact" if one.entity is Entity.CONTACT else "opportunity"
    theirs, ours = _value(one.field, one.theirs, settings), _value(one.field, one.ours, settings)
    rule = "kept until ServiceTitan's facts change"
    return f"{entity} {one.target}: {words([one.field])} is {theirs}, ServiceTitan says {ours}; {rule}"


def markdown() -> str:
    """Return the table of everything strange and what comes of it, for the documentation."""
    rows = [f"| {one.value.input} | {one.value.outcome} |" for one in Oddity]
    return "\n".join(["| what comes in | what comes of it |", "|---|---|", *rows]) + "\n"


def _told(fields: Fields, settings: CrmSettings) -> Iterator[str]:
    for name, value in fields.items():
        if name != "pipelineId":
            yield f"{words([name])} {_value(name, value, settings)}"


def _value(name: str, value: object, settings: CrmSettings) -> str:
    if name == "pipelineStageId":
        found = {place.stage_id: TITLES[stage] for stage, place in settings.stages.items()}
        return found.get(str(value), f"stage {value}" if value else "none")
    if name == "monetaryValue" and value:
        return f"${value}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value not in (None, "") else "none"
