"""Compare what should stand in GoHighLevel with what we wrote last and what stands there. Pure.

Fields are flat here (see `pcd.crm.desired.Fields`). A field that is not among those desired is not spoken
of: nothing is ever erased because ServiceTitan does not know it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pcd.crm.calls import Call, CallKind, Entity, Kept, Plan, Settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.crm.calls import Applied, AppliedOpportunity, Current
    from pcd.crm.desired import Desired, DesiredContact, DesiredOpportunity, Fields
    from pcd.crm.settings import CrmSettings
    from pcd.ghl.shapes import Contact, Opportunity

_CUSTOM = "customFields."
_VALUE = "monetaryValue"
_MOVE = ("pipelineId", "pipelineStageId")
# They say how a contact came to be, which only its maker knows.
_ON_CREATION = frozenset({"source", "tags"})
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "firstName": "name",
        "lastName": "name",
        "name": "name",
        "email": "e-mail",
        "phone": "phone",
        "address1": "address",
        "city": "address",
        "state": "address",
        "postalCode": "address",
        "country": "address",
        "source": "source",
        "tags": "tags",
        "dnd": "do not disturb",
        "pipelineId": "stage",
        "pipelineStageId": "stage",
        "status": "status",
        _VALUE: "value",
    }
)


def diff(applied: Applied, current: Current, desired: Desired, settings: CrmSettings) -> Plan:
    """Return the smallest list of calls after which GoHighLevel shows *desired*.

    Only what changed in *desired* since *applied* is written: a value that somebody changed there meanwhile
    is kept, and listed. Of an adopted contact only empty fields are filled, an adopted opportunity is brought
    up to date but never moved back.
    """
    plans = [_opportunity(applied, current, one, desired, settings) for one in desired.opportunities]
    if desired.contact is not None:
        plans.insert(0, _contact(applied, current.contact, contact_fields(desired.contact)))
    return Plan(
        calls=tuple(call for plan in plans for call in plan.calls),
        kept=tuple(kept for plan in plans for kept in plan.kept),
        settled=tuple(settled for plan in plans for settled in plan.settled),
        held=tuple(held for plan in plans for held in plan.held),
    )


def contact_fields(contact: DesiredContact) -> Fields:
    """Return the fields of a desired contact, those that it says nothing about left out."""
    spoken = {
        "email": contact.email,
        "phone": contact.phone,
        "address1": contact.street,
        "city": contact.city,
        "state": contact.state,
        "postalCode": contact.zip,
        "country": contact.country,
        "dnd": contact.do_not_contact,
        "tags": list(contact.tags),
    }
    return {
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "name": contact.name,
        "source": "ServiceTitan",
        **{name: value for name, value in spoken.items() if value},
        **{f"{_CUSTOM}{id_}": value for id_, value in contact.custom_fields.items()},
    }


def opportunity_fields(opportunity: DesiredOpportunity, settings: CrmSettings) -> Fields:
    """Return the fields of a desired opportunity; without its stage where the account does not have that."""
    fields: dict[str, Any] = {"status": opportunity.status}
    place = settings.stages.get(opportunity.stage) if opportunity.stage else None
    if place is not None:
        fields |= {"pipelineId": place.pipeline_id, "pipelineStageId": place.stage_id}
    if opportunity.name is not None:
        fields["name"] = opportunity.name
    if opportunity.value is not None:
        fields[_VALUE] = money(opportunity.value)
    for id_, value in opportunity.custom_fields.items():
        fields[f"{_CUSTOM}{id_}"] = value if isinstance(value, str) else list(value)
    return fields


def body(fields: Fields) -> dict[str, Any]:
    """Return flat *fields* as the body of a request: custom fields as a list, the value as a number.

    Source: the published contracts of contacts and opportunities, version 2021-07-28
    (``customFields: [{id, field_value}]``, ``monetaryValue: number``).
    """
    made = {name: value for name, value in fields.items() if not name.startswith(_CUSTOM) and name != _VALUE}
    if _VALUE in fields:
        value = Decimal(fields[_VALUE])
        made[_VALUE] = int(value) if value == value.to_integral_value() else float(value)
    custom = {name.removeprefix(_CUSTOM): value for name, value in fields.items() if name.startswith(_CUSTOM)}
    if custom:
        made["customFields"] = [{"id": id_, "field_value": value} for id_, value in custom.items()]
    return made


def contact_shown(contact: Contact) -> Fields:
    """Return the fields of a contact as GoHighLevel shows it, to be compared with ours."""
    return {
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "name": contact.name or f"{contact.first_name} {contact.last_name}".strip(),
        "email": contact.email.lower(),
        "phone": contact.phone,
        "address1": contact.address1,
        "city": contact.city,
        "state": contact.state,
        "postalCode": contact.postal_code,
        "country": contact.country,
        "source": contact.source,
        "dnd": contact.dnd,
        "tags": list(contact.tags),
        **_custom_shown(contact.custom_fields),
    }


def opportunity_shown(opportunity: Opportunity) -> Fields:
    """Return the fields of an opportunity as GoHighLevel shows it, to be compared with ours."""
    return {
        "name": opportunity.name,
        "pipelineId": opportunity.pipeline_id,
        "pipelineStageId": opportunity.stage_id,
        "status": opportunity.status,
        _VALUE: money(opportunity.monetary_value or Decimal(0)),
        **_custom_shown(opportunity.custom_fields),
    }


def money(value: Decimal) -> str:
    """Return an amount as it stands in `Fields`: with two places."""
    return f"{value:.2f}"


def is_same(one: object, other: object) -> bool:
    """Whether two values mean the same; what is not there is empty, a choice has no order."""
    if _is_empty(one) or _is_empty(other):
        return _is_empty(one) and _is_empty(other)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return set(one) == set(other)
    return one == other


def _custom_shown(fields: Mapping[str, str | tuple[str, ...]]) -> dict[str, Any]:
    return {f"{_CUSTOM}{id_}": v if isinstance(v, str) else list(v) for id_, v in fields.items()}


class _About(NamedTuple):
    entity: Entity
    target: str | None
    cycle: int | None = None

    def update(self, fields: Fields, *, why: str) -> tuple[Call, ...]:
        """Return the call that writes *fields*, none where there are none."""
        if not fields:
            return ()
        is_contact = self.entity is Entity.CONTACT
        kind = CallKind.UPDATE_CONTACT if is_contact else CallKind.UPDATE_OPPORTUNITY
        return (Call(kind=kind, target=self.target, cycle=self.cycle, fields=fields, why=why),)

    def kept(self, name: str, *, ours: object, theirs: object) -> Kept:
        """Return that *name* is left as somebody there made it."""
        target = self.target or ""
        return Kept(entity=self.entity, target=target, cycle=self.cycle, field=name, ours=ours, theirs=theirs)


def _contact(applied: Applied, shown: Fields | None, wanted: Fields) -> Plan:
    about = _About(Entity.CONTACT, applied.contact_id)
    if applied.contact_id is None and not applied.contact:
        why = "the customer has no contact yet"
        return Plan(calls=(Call(kind=CallKind.CREATE_CONTACT, fields=_filled(wanted), why=why),))
    later = {name: value for name, value in wanted.items() if name not in _ON_CREATION}
    if applied.contact:
        return _update(about, later, applied.contact, shown)
    if shown is None:
        return Plan(held=(f"contact {applied.contact_id} is to be adopted, but was not read yet",))
    kept = tuple(
        about.kept(name, ours=value, theirs=shown[name])
        for name, value in later.items()
        if shown.get(name) and not _is_ours(name) and not _reads_same(shown[name], value)
    )
    fill = {name: v for name, v in later.items() if _is_ours(name) or not shown.get(name)}
    return _adopt(about, later, shown, fill, kept)


def _opportunity(
    applied: Applied, current: Current, one: DesiredOpportunity, desired: Desired, settings: CrmSettings
) -> Plan:
    wanted = opportunity_fields(one, settings)
    mine = applied.opportunities.get(one.cycle)
    held = _held(one, wanted)
    if mine is not None and (mine.id or mine.fields):
        shown = current.opportunities.get(mine.id or "")
        about = _About(Entity.OPPORTUNITY, mine.id, one.cycle)
        if mine.fields:
            plan = _update(about, wanted, mine.fields, shown)
        else:
            plan = _adopt_opportunity(about, wanted, shown, settings)
        return replace(plan, held=(*plan.held, *held))
    if one.name is None:
        return Plan()
    made = [cycle for cycle, each in applied.opportunities.items() if each.id or each.fields]
    former = max(made, default=None) if desired.one_opportunity else None
    if former is not None:
        call = _reset(one, wanted, former, applied.opportunities[former], current)
        return Plan(calls=(call,), held=held)
    if held:
        return Plan(held=held)
    why = f"cycle {one.cycle} has no opportunity yet"
    kind = CallKind.CREATE_OPPORTUNITY
    return Plan(calls=(Call(kind=kind, cycle=one.cycle, fields=_filled(wanted), why=why),))


def _held(one: DesiredOpportunity, wanted: Fields) -> tuple[str, ...]:
    if one.stage is None or _MOVE[0] in wanted:
        return ()
    return (f"cycle {one.cycle}: the account has no stage {one.stage} of the {one.stage.pipeline} pipeline",)


def _update(about: _About, wanted: Fields, applied: Fields, shown: Fields | None) -> Plan:
    """Write what changed in *wanted* since it was *applied*; list what somebody changed there."""
    changed = {name for name, value in wanted.items() if not is_same(applied.get(name), value)}
    if changed.intersection(_MOVE):
        changed.update(_MOVE)
    kept = tuple(
        about.kept(name, ours=value, theirs=shown.get(name))
        for name, value in wanted.items()
        if shown is not None and name not in changed and not _reads_same(shown.get(name), value)
    )
    fields = {name: value for name, value in wanted.items() if name in changed}
    return Plan(calls=about.update(fields, why=f"ServiceTitan's facts changed: {words(fields)}"), kept=kept)


def _adopt_opportunity(about: _About, wanted: Fields, shown: Fields | None, settings: CrmSettings) -> Plan:
    """Write what differs from what somebody else made, but do not move it back."""
    if shown is None:
        return Plan(held=(f"opportunity {about.target} is to be adopted, but was not read yet",))
    ranks = {place.stage_id: stage.rank for stage, place in settings.stages.items()}
    is_ahead = ranks.get(shown.get(_MOVE[1], ""), 0) > ranks.get(wanted.get(_MOVE[1], ""), 0)
    # One that was closed belongs to what is over; here it begins anew.
    goes_on = shown.get("status") in {"open", wanted["status"]} and wanted["status"] != "lost"
    left = set(_MOVE) if is_ahead and goes_on else set()
    kept = tuple(
        about.kept(name, ours=wanted[name], theirs=shown.get(name))
        for name in left.intersection(wanted)
        if not is_same(shown.get(name), wanted[name])
    )
    return _adopt(about, wanted, shown, {name: v for name, v in wanted.items() if name not in left}, kept)


def _adopt(about: _About, wanted: Fields, shown: Fields, fill: Fields, kept: tuple[Kept, ...]) -> Plan:
    """Write those of *fill* that are not so already, and note all that is *wanted* as applied."""
    fields = {name: v for name, v in fill.items() if not _is_empty(v) and not is_same(shown.get(name), v)}
    if fields.keys() & set(_MOVE):
        fields |= {name: wanted[name] for name in _MOVE}
    noted = {name: value for name, value in wanted.items() if name not in fields}
    settled = (Settled(entity=about.entity, cycle=about.cycle, fields=noted),) if noted else ()
    calls = about.update(fields, why=f"found in GoHighLevel and adopted: {words(fields)}")
    return Plan(calls=calls, kept=kept, settled=settled)


def _reset(
    one: DesiredOpportunity, wanted: Fields, former: int, old: AppliedOpportunity, current: Current
) -> Call:
    """Return the call that begins a new cycle in the opportunity of a *former* one; its value goes."""
    shown, nothing = current.opportunities.get(old.id or "", old.fields), money(Decimal(0))
    if {old.fields.get(_VALUE), shown.get(_VALUE)} - {None, nothing}:
        wanted = {_VALUE: nothing, **wanted}
    always = {"status", *_MOVE}
    fields = {
        name: value
        for name, value in wanted.items()
        if name in always or not (is_same(old.fields.get(name), value) and is_same(shown.get(name), value))
    }
    why = f"reset: cycle {one.cycle} begins in the opportunity of cycle {former}, a contact may have one only"
    kind = CallKind.RESET_OPPORTUNITY
    return Call(kind=kind, target=old.id, cycle=one.cycle, reuses=former, fields=fields, why=why)


def words(names: Iterable[str]) -> str:
    """Return what fields are called by people, each once."""
    return ", ".join(dict.fromkeys(_WORDS.get(name, "custom fields") for name in names))


def _filled(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if not _is_empty(value)}


def _is_ours(name: str) -> bool:
    """Whether nobody but us has a say in it: our own id, and that somebody wants no contact."""
    return name == "dnd" or name.startswith(_CUSTOM)


def _is_empty(value: object) -> bool:
    return value is None or value is False or value in ("", [], ())


def _reads_same(one: object, other: object) -> bool:
    """Whether two values are the same to a reader: their lists show some names in lower case."""
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return is_same(one, other)
