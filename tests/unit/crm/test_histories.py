"""Random histories of one customer: whatever happens, GoHighLevel ends up as it should.

Short by default; PCD_SOAK_ROUNDS looks that many times longer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.customers import ENABLED, SETTINGS, customer, day, estimate, job, visit

from pcd.crm.calls import Applied, AppliedOpportunity, CallKind, Current, Entity
from pcd.crm.desire import desire
from pcd.crm.desired import Stage
from pcd.crm.diff import body, contact_fields, diff, opportunity_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from pcd.crm.calls import Call, Plan
    from pcd.crm.desired import CycleState, Desired
    from pcd.crm.facts import CustomerFacts
    from pcd.crm.settings import CrmSettings

ONE = replace(SETTINGS, allow_duplicate_opportunity=False)
LOOK = settings(
    max_examples=60 * int(os.environ.get("PCD_SOAK_ROUNDS", "1")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
EMPTY: tuple[object, ...] = (None, "", [], False)


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, CustomerFacts]]:
    """Return how a customer's facts stood on some days, each after something happened."""
    facts = customer(created_at=day(draw(st.sampled_from([-50, 0, 0, 0]))))
    ids, at, story = count(1), 0.0, []
    for _ in range(draw(st.integers(1, 14))):
        at += draw(st.sampled_from([0.1, 1, 4, 9]))
        facts = happen(draw, facts, next(ids), at)
        story.append((at, facts))
    return story


def happen(draw: st.DrawFn, facts: CustomerFacts, id_: int, at: float) -> CustomerFacts:
    """Return *facts* after something happened to the customer *at* that day."""
    jobs, estimates = list(facts.jobs), list(facts.estimates)
    what = draw(
        st.sampled_from(["book", "book", "work", "work", "offer", "offer", "decide", "decide", "lose"])
    )
    if what == "book" or (what == "work" and not jobs):
        made_from = draw(st.sampled_from([None, *[one.id for one in estimates if one.status == "Sold"]]))
        is_install = made_from is not None or draw(st.integers(0, 5)) == 0
        visits = (visit(id_, at=at + 1),) if draw(st.booleans()) else ()
        jobs.append(
            job(
                id_,
                at=at,
                is_install=is_install,
                created_from_estimate_id=made_from,
                appointments=visits,
                technician_ids=tuple(draw(st.sets(st.sampled_from([1, 2, 3, 4, 99]), max_size=2))),
            )
        )
    elif what == "work":
        which = draw(st.integers(0, len(jobs) - 1))
        status = draw(st.sampled_from(["Scheduled", "InProgress", "Hold", "Completed", "Canceled", None]))
        done_at = day(at) if status == "Completed" else None
        jobs[which] = replace(jobs[which], status=status, modified_at=day(at), completed_at=done_at)
    elif what == "offer":
        job_id = draw(st.sampled_from([None, 999, *[one.id for one in jobs]]))
        total = draw(st.sampled_from(["-50", "0", "80", "1250.55", "9000", None]))
        estimates.append(estimate(id_, total=total, at=at, job_id=job_id, modified_at=day(at)))
    elif what == "decide" and estimates:
        which = draw(st.integers(0, len(estimates) - 1))
        status = draw(st.sampled_from(["Open", "Sold", "Sold", "Dismissed", "Maybe"]))
        sold_at = day(at) if status == "Sold" else None
        estimates[which] = replace(estimates[which], status=status, sold_at=sold_at, modified_at=day(at))
    elif what == "lose" and draw(st.booleans()):
        estimates = estimates[:-1]
    elif what == "lose":
        jobs = jobs[1:]
    phone = draw(st.sampled_from([facts.phone, facts.phone, facts.phone, "(239) 555-0143", "x"]))
    return replace(facts, jobs=tuple(jobs), estimates=tuple(estimates), phone=phone)


@dataclass(slots=True)
class Subaccount:
    """A GoHighLevel that takes every call, and what we remember beside it."""

    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    opportunities: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: Applied = field(default_factory=Applied)
    history: tuple[CycleState, ...] = ()

    def bring_about(self, desired: Desired, under: CrmSettings) -> Plan:
        """Carry out what *desired* asks for and note it; return the plan."""
        shown = Current(
            contact=self.contacts.get(self.applied.contact_id or ""), opportunities=self.opportunities
        )
        plan = diff(self.applied, shown, desired, under)
        for call in plan.calls:
            assert orjson.dumps(body(call.fields))
            if call.kind.entity is Entity.CONTACT:
                self._contact(call)
            else:
                self._opportunity(call)
        self.history = desired.history
        return plan

    def _contact(self, call: Call) -> None:
        id_ = call.target or f"c{len(self.contacts)}"
        assert (id_ in self.contacts) is (call.kind is CallKind.UPDATE_CONTACT)
        self.contacts.setdefault(id_, {}).update(call.fields)
        noted = {**self.applied.contact, **call.fields}
        self.applied = replace(self.applied, contact_id=id_, contact=noted)

    def _opportunity(self, call: Call) -> None:
        assert call.cycle is not None
        id_ = call.target or f"o{len(self.opportunities)}"
        assert (id_ not in self.opportunities) is (call.kind is CallKind.CREATE_OPPORTUNITY)
        assert set(call.fields) >= {"name", "pipelineId", "status"} or id_ in self.opportunities
        self.opportunities.setdefault(id_, {}).update(call.fields)
        known = dict(self.applied.opportunities)
        before = known.pop(call.reuses or call.cycle, AppliedOpportunity())
        known[call.cycle] = AppliedOpportunity(id=id_, fields={**before.fields, **call.fields})
        self.applied = replace(self.applied, opportunities=known)


def told(
    story: list[tuple[float, CustomerFacts]], under: CrmSettings
) -> Iterator[tuple[Desired, Subaccount]]:
    """Yield what is desired, and what stands there, after each chapter of *story*."""
    place = Subaccount()
    for at, facts in story:
        desired = desire(
            facts,
            under,
            now=day(at),
            history=place.history,
            is_linked=place.applied.contact_id is not None,
        )
        place.bring_about(desired, under)
        yield desired, place


def is_shown(wanted: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
    """Whether every field says what is wanted; empty is as good as absent."""
    return all(
        shown.get(name) == value or (value in EMPTY and shown.get(name) in EMPTY)
        for name, value in wanted.items()
    )


@LOOK
@given(stories(), st.sampled_from([SETTINGS, ONE]))
def test_calls_bring_about_what_is_desired(
    story: list[tuple[float, CustomerFacts]], under: CrmSettings
) -> None:
    for desired, place in told(story, under):
        if desired.contact is not None:
            (contact,) = place.contacts.values()
            spoken = {
                name: value for name, value in contact_fields(desired.contact).items() if name != "tags"
            }
            assert is_shown(spoken, contact)
        for one in desired.opportunities:
            id_ = place.applied.opportunities[one.cycle].id or ""
            assert is_shown(opportunity_fields(one, under), place.opportunities[id_])


@LOOK
@given(stories(), st.sampled_from([SETTINGS, ONE]))
def test_second_look_finds_nothing_to_do(
    story: list[tuple[float, CustomerFacts]], under: CrmSettings
) -> None:
    for (at, facts), (_, place) in zip(story, told(story, under), strict=True):
        is_linked = place.applied.contact_id is not None
        again = desire(facts, under, now=day(at), history=place.history, is_linked=is_linked)
        plan = place.bring_about(again, under)
        assert (plan.calls, plan.kept, plan.settled) == ((), (), ())


@LOOK
@given(stories(), st.sampled_from([SETTINGS, ONE]))
def test_one_contact_and_one_opportunity_a_cycle(
    story: list[tuple[float, CustomerFacts]], under: CrmSettings
) -> None:
    for desired, place in told(story, under):
        assert len(place.contacts) <= 1
        cycles = [one.cycle for one in desired.opportunities]
        assert cycles == sorted(set(cycles))
        allowed = len(place.history) if under.allow_duplicate_opportunity else 1
        assert len(place.opportunities) <= allowed


@LOOK
@given(stories(), st.sampled_from([SETTINGS, ONE]))
def test_stage_goes_back_only_when_a_sale_is_taken_back(
    story: list[tuple[float, CustomerFacts]], under: CrmSettings
) -> None:
    last: dict[int, CycleState] = {}
    for desired, _ in told(story, under):
        for state in desired.history:
            before = last.get(state.number, state)
            assert state.stage.rank >= before.stage.rank or (before.was_sold and not state.was_sold)
            assert state.stage is not Stage.ESTIMATE_LOST
        assert len(desired.history) >= len(last)
        last = {state.number: state for state in desired.history}


@LOOK
@given(stories(), st.randoms(use_true_random=False), st.sampled_from([SETTINGS, ONE]))
def test_order_of_rows_does_not_matter(
    story: list[tuple[float, CustomerFacts]], chance: Random, under: CrmSettings
) -> None:
    history: tuple[CycleState, ...] = ()
    for at, facts in story:
        jobs, estimates, states = list(facts.jobs), list(facts.estimates), list(history)
        chance.shuffle(jobs)
        chance.shuffle(estimates)
        chance.shuffle(states)
        shuffled = replace(facts, jobs=tuple(jobs), estimates=tuple(estimates))
        desired = desire(facts, under, now=day(at), history=history)
        assert desire(shuffled, under, now=day(at), history=states) == desired
        history = desired.history


@LOOK
@given(stories(), st.sampled_from([SETTINGS, ONE]))
def test_looking_again_changes_nothing(story: list[tuple[float, CustomerFacts]], under: CrmSettings) -> None:
    """What is remembered leads to the same answer, so a restart in between does no harm."""
    history: tuple[CycleState, ...] = ()
    for at, facts in story:
        first = desire(facts, under, now=day(at), history=history)
        again = desire(facts, under, now=day(at), history=first.history)
        assert again.history == first.history
        assert again.opportunities == first.opportunities
        history = again.history


@LOOK
@given(stories())
def test_each_job_belongs_to_one_cycle(story: list[tuple[float, CustomerFacts]]) -> None:
    for desired, _ in told(story, SETTINGS):
        jobs = [id_ for state in desired.history for id_ in state.job_ids]
        assert len(jobs) == len(set(jobs))


@LOOK
@given(stories(), st.sampled_from([SETTINGS, ONE]))
def test_time_alone_changes_nothing_before_it_was_foretold(
    story: list[tuple[float, CustomerFacts]], under: CrmSettings
) -> None:
    for (_, facts), (desired, place) in zip(story, told(story, under), strict=True):
        until = desired.reconsider_at or ENABLED + timedelta(days=9999)
        early = desire(
            facts,
            under,
            now=until - timedelta(seconds=1),
            history=place.history,
            is_linked=place.applied.contact_id is not None,
        )
        assert early.opportunities == desired.opportunities
        if desired.reconsider_at is not None:
            late = desire(facts, under, now=until, history=place.history, is_linked=True)
            assert late.opportunities != desired.opportunities


@LOOK
@given(stories(), st.data())
def test_what_a_person_changed_stays_until_the_facts_change(
    story: list[tuple[float, CustomerFacts]], data: st.DataObject
) -> None:
    for (at, facts), (_, place) in zip(story, told(story, SETTINGS), strict=True):
        if not place.opportunities:
            continue
        id_ = data.draw(st.sampled_from(sorted(place.opportunities)))
        name = data.draw(st.sampled_from(["name", "pipelineStageId", "status"]))
        place.opportunities[id_][name] = "by a person"
        desired = desire(facts, SETTINGS, now=day(at), history=place.history, is_linked=True)
        plan = place.bring_about(desired, SETTINGS)
        assert plan.calls == ()
        assert (id_, name) in {(kept.target, kept.field) for kept in plan.kept}
        return


@LOOK
@given(stories(), st.lists(st.sampled_from([SETTINGS, ONE]), min_size=14, max_size=14))
def test_account_may_change_how_many_opportunities_it_allows(
    story: list[tuple[float, CustomerFacts]], rules: list[CrmSettings]
) -> None:
    place = Subaccount()
    for (at, facts), under in zip(story, rules, strict=False):
        for is_second in (False, True):
            is_linked = place.applied.contact_id is not None
            desired = desire(facts, under, now=day(at), history=place.history, is_linked=is_linked)
            plan = place.bring_about(desired, under)
            assert plan.calls == () or not is_second
        assert len({one.id for one in place.applied.opportunities.values()}) == len(
            place.applied.opportunities
        )
