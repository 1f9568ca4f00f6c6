"""Searches follow behind; look-ups by id do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pcd.sim.clock import SimClock
from pcd.sim.ghl.records import Contact
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.store import Store

NOW = datetime(2026, 9, 4, 12, 0, tzinfo=UTC)


class HandClock(SimClock):
    """A clock that only moves by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        super().__init__(NOW)

    def monotonic(self) -> float:
        return self.seconds


def made(contact_id: str, **fields: str) -> Contact:
    return Contact(id=contact_id, added_at=NOW, updated_at=NOW, **fields)  # type: ignore[arg-type]


def seen(store: Store) -> dict[str, str]:
    return {one.id: one.email for one in store.contacts.index.records.values()}


def test_change_is_seen_by_searches_when_the_lag_has_passed() -> None:
    clock = HandClock()
    store = Store(GhlSimSettings(search_lag=timedelta(seconds=5)), clock=clock)
    store.contacts.put(made("a", email="one@example.com"))
    clock.seconds += 4.9
    assert (seen(store), store.contacts["a"].email) == ({}, "one@example.com")
    clock.seconds += 0.1
    store.contacts.put(made("a", email="two@example.com"))
    assert (seen(store), store.contacts["a"].email) == ({"a": "one@example.com"}, "two@example.com")
    assert [one.id for one in store.contacts.index.find("email", "one@example.com")] == ["a"]
    assert store.contacts.find("email", "one@example.com") == []
    store.contacts.remove("a")
    clock.seconds += 5
    assert (seen(store), len(store.contacts)) == ({}, 0)


def test_frozen_lag_shows_nothing_new_until_it_is_thawed() -> None:
    clock = HandClock()
    store = Store(GhlSimSettings(search_lag=timedelta(seconds=5)), clock=clock)
    store.contacts.put(made("a"))
    clock.seconds += 5
    store.lag.freeze()
    store.contacts.put(made("b"))
    clock.seconds += 100
    assert list(seen(store)) == ["a"]
    store.lag.thaw()
    assert list(seen(store)) == ["a", "b"]


emails = st.sampled_from(["", "a@example.com", "B@example.com", "c@example.com"])
steps = st.lists(st.tuples(st.sampled_from("xyz"), st.one_of(st.none(), emails)), max_size=30)


@given(steps)
def test_keys_find_exactly_those_that_have_them_now(history: list[tuple[str, str | None]]) -> None:
    store = Store(GhlSimSettings(search_lag=timedelta(0)), clock=HandClock())
    held: dict[str, Contact] = {}
    for contact_id, email in history:
        if email is not None:
            held[contact_id] = replace(made(contact_id), email=email)
            store.contacts.put(held[contact_id])
        elif held.pop(contact_id, None):
            store.contacts.remove(contact_id)
    for email in ("a@example.com", "b@example.com"):
        expected = {one.id for one in held.values() if one.email.lower() == email}
        assert {one.id for one in store.contacts.find("email", email)} == expected
        assert {one.id for one in store.contacts.index.find("email", email)} == expected
