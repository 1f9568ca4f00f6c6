"""What outbox rows come to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pcd.changes.change import Change
from pcd.changes.net import Entry, corrections, net, reunite

if TYPE_CHECKING:
    from pcd.changes.change import State

AT = datetime(2026, 3, 2, tzinfo=UTC)
A, B, C = {"s": "a"}, {"s": "b"}, {"s": "c"}


def entry(
    number: int,
    before: State | None,
    after: State | None,
    *,
    st_id: int = 1,
    xid: int = 1,
    stamps: State | None = None,
) -> Entry:
    """Return an outbox row."""
    op = "I" if before is None else "D" if after is None else "U"
    return Entry(number, "jobs", st_id, op, before, after, stamps, xid, AT, None)


def brief(changes: list[Change] | tuple[Change, ...]) -> list[tuple[int, str, object, object]]:
    """Return (id, operation, before, after) of each change."""
    return [(it.id, it.op, it.before, it.after) for it in changes]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([entry(1, None, A)], [(1, "I", None, A)], id="insert"),
        pytest.param([entry(1, A, B)], [(1, "U", A, B)], id="update"),
        pytest.param([entry(1, A, None)], [(1, "D", A, None)], id="delete"),
        pytest.param([entry(1, None, A), entry(2, A, B)], [(2, "I", None, B)], id="insert-update"),
        pytest.param([entry(1, A, B), entry(2, B, C)], [(2, "U", A, C)], id="update-update"),
        pytest.param([entry(1, A, B), entry(2, B, None)], [(2, "D", A, None)], id="update-delete"),
        pytest.param([entry(1, A, None), entry(2, None, B)], [(2, "U", A, B)], id="delete-insert"),
        pytest.param([entry(1, A, None), entry(2, None, A)], [], id="delete-insert-alike"),
        pytest.param([entry(1, None, A), entry(2, A, None)], [], id="insert-delete"),
        pytest.param([entry(1, A, B), entry(2, B, A)], [], id="there-and-back"),
        pytest.param([entry(2, B, C), entry(1, A, B)], [(2, "U", A, C)], id="in-any-order"),
        pytest.param(
            [entry(1, A, B), entry(2, B, A, xid=2)], [(1, "U", A, B), (2, "U", B, A)], id="two-transactions"
        ),
        pytest.param(
            [entry(1, A, B), entry(2, None, A, st_id=2), entry(3, B, C)],
            [(2, "I", None, A), (3, "U", A, C)],
            id="two-rows",
        ),
    ],
)
def test_a_transaction_comes_to_one_change_a_row(
    entries: list[Entry], expected: list[tuple[int, str, object, object]]
) -> None:
    assert brief(net(entries)) == expected


def test_the_last_stamps_stand_in_the_last_known_state() -> None:
    stamps, later = {"st_modified_on": "2026"}, {"st_modified_on": "2027"}
    assert net([entry(1, A, B, stamps=stamps), entry(2, B, C)])[0].after == C | stamps
    assert net([entry(1, A, B, stamps=stamps), entry(2, B, C, stamps=later)])[0].after == C | later
    assert net([entry(1, A, None, stamps=stamps)])[0].before == A | stamps


def test_stamps_alone_are_no_change() -> None:
    assert net([entry(1, A, B), entry(2, B, A, stamps={"st_modified_on": "2027"})]) == []


@pytest.mark.parametrize(
    ("entries", "departed", "expected", "gone", "back"),
    [
        pytest.param([entry(1, None, A)], None, [(1, "I", None, A)], None, False, id="new"),
        pytest.param([entry(1, None, B)], A, [(1, "U", A, B)], None, True, id="back-and-different"),
        pytest.param([entry(1, None, A)], A, [(1, "U", A, A)], None, True, id="back-and-alike"),
        pytest.param([entry(1, A, None)], None, [(1, "D", A, None)], A, False, id="gone"),
        pytest.param(
            [entry(1, A, None), entry(2, None, B, xid=2)],
            None,
            [(1, "D", A, None), (2, "U", A, B)],
            None,
            False,
            id="gone-and-back-in-one-batch",
        ),
        pytest.param(
            [entry(1, None, B), entry(2, B, None, xid=2)],
            A,
            [(1, "U", A, B), (2, "D", B, None)],
            B,
            False,
            id="back-and-gone-in-one-batch",
        ),
        pytest.param([entry(1, B, C)], A, [(1, "U", B, C)], None, False, id="an-update-is-not-asked"),
    ],
)
def test_a_row_that_comes_back_is_no_new_one(
    entries: list[Entry],
    departed: State | None,
    expected: list[tuple[int, str, object, object]],
    gone: State | None,
    back: bool,
) -> None:
    key = ("jobs", 1)
    reunion = reunite(net(entries), {} if departed is None else {key: departed})
    assert brief(reunion.changes) == expected
    assert reunion.gone == ({} if gone is None else {key: gone})
    assert reunion.back == ({key} if back else set())


def test_a_departed_row_is_remembered_without_its_stamps() -> None:
    """It comes back with new ones, and has not changed for that."""
    reunion = reunite(net([entry(1, A, None, stamps={"st_modified_on": "2026"})]), {})
    assert reunion.gone == {("jobs", 1): A}


def test_only_what_stands_wrong_in_the_log_is_corrected() -> None:
    entries = [entry(1, None, A), entry(2, A, B, st_id=2), entry(3, A, B, st_id=3), entry(4, B, C, st_id=3)]
    changes = net(entries)
    wrong, missing = corrections(entries, changes)
    assert wrong == [3, 4]
    assert brief(missing) == [(4, "U", A, C)]


def test_what_came_to_nothing_leaves_the_log() -> None:
    entries = [entry(1, None, A), entry(2, A, None)]
    assert corrections(entries, net(entries)) == ([1, 2], [])


def test_a_new_row_that_is_none_is_corrected() -> None:
    entries = [entry(1, None, B)]
    reunion = reunite(net(entries), {("jobs", 1): A})
    wrong, missing = corrections(entries, reunion.changes)
    assert (wrong, brief(missing)) == ([1], [(1, "U", A, B)])


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [(A, B, True), (A, A, False), (None, A, True), (A, None, True), (None, {"s": None}, False)],
)
def test_a_column_that_moved(before: State | None, after: State | None, moved: bool) -> None:
    change = Change(id=1, resource="jobs", st_id=1, op="U", before=before, after=after, xid=1, changed_at=AT)
    assert change.moved("s") is moved
