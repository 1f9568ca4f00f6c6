"""Trigger DDL from declarations."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pcd.changes.capture import TRIGGERS, Capture, captures, function, mark, replay, trigger
from pcd.tables import RESOURCES
from pcd.tables.catalogue import Table, TableColumn

CAPTURES = {each.resource: each for each in captures(RESOURCES.values())}


def table(capture: Capture, **types: str) -> Table:
    """Return the table of *capture* as declared, with the *types* that an adopted one has instead."""
    names = {name: types.get(name, "text") for name in capture.tracked}
    return Table(
        name=capture.table,
        columns={name: TableColumn(name=name, type=type_) for name, type_ in names.items()},
    )


def test_every_mirrored_table_is_captured_once() -> None:
    """Four resources share one table of custom fields."""
    assert {each.table for each in CAPTURES.values()} == {each.table for each in RESOURCES.values()}
    assert CAPTURES["custom_fields"].loads == {
        name for name in RESOURCES if name.startswith("custom_fields_")
    }


def test_tracked_columns_come_from_the_declaration_alone() -> None:
    declared = {column.name for column in RESOURCES["estimates"].tracked}
    assert set(CAPTURES["estimates"].tracked) == declared | {"st_deleted_at"}


def test_a_table_waits_for_what_its_derived_columns_follow() -> None:
    assert CAPTURES["jobs"].needs == {"jobs", "appointments", "appointment_assignments"}
    assert CAPTURES["customers"].needs >= {"customers", "customer_contacts"}
    assert CAPTURES["estimates"].needs == {"estimates"}


def test_what_is_not_mirrored_is_not_waited_for() -> None:
    (only,) = captures([RESOURCES["jobs"]])
    assert only.needs == {"jobs"}


@pytest.mark.parametrize("name", CAPTURES)
def test_no_function_name_is_cut(name: str) -> None:
    assert len(CAPTURES[name].function.encode()) <= 63


@pytest.mark.parametrize("name", CAPTURES)
def test_a_function_is_safe_for_any_writer(name: str) -> None:
    create, revoke, comment = function(CAPTURES[name], table(CAPTURES[name]))
    assert "SECURITY DEFINER\nSET search_path = pg_catalog, pg_temp\nSET timezone = 'UTC'\n" in create
    assert not re.search(r"::(?!text|\"char\")", create), "a cast that may fail"
    assert revoke == f'REVOKE ALL ON FUNCTION "pcd"."{CAPTURES[name].function}"() FROM PUBLIC'
    assert mark(CAPTURES[name], table(CAPTURES[name])) in comment


def test_the_same_declaration_yields_the_same_ddl() -> None:
    jobs = CAPTURES["jobs"]
    assert function(jobs, table(jobs)) == function(jobs, table(jobs))


def test_another_tracked_column_is_another_version() -> None:
    jobs = CAPTURES["jobs"]
    more = replace(jobs, tracked=(*jobs.tracked, "summary"))
    assert mark(more, table(more)) != mark(jobs, table(jobs))


def test_json_is_kept_as_text() -> None:
    """Not every json fits into a jsonb."""
    jobs = CAPTURES["jobs"]
    adopted = table(jobs, job_status="json")
    assert '"job_status"::text AS "job_status"' in function(jobs, adopted)[0]
    assert mark(jobs, adopted) != mark(jobs, table(jobs))


def test_a_column_that_the_table_lacks_reads_as_null() -> None:
    assert 'NULL::text AS "job_status"' in function(CAPTURES["jobs"], Table(name="st_jobs"))[0]


def test_names_are_quoted() -> None:
    odd = Capture(resource="o'dd", table="st_o'dd", tracked=('na"me',), loads=frozenset(), needs=frozenset())
    create = function(odd, Table(name="st_o'dd"))[0]
    assert '"na""me"' in create
    assert "''o''''dd''" in create
    assert '"st_o\'dd"' in trigger(odd, "pcd_capture_insert")[0]
    assert "'o''dd'" in replay(odd, Table(name="st_o'dd"))


def test_a_transition_table_has_one_trigger_an_operation() -> None:
    """PostgreSQL allows no other way."""
    operations = [re.search(r"(INSERT|UPDATE|DELETE|TRUNCATE)", clause) for clause in TRIGGERS.values()]
    assert sorted(found[0] for found in operations if found) == ["DELETE", "INSERT", "TRUNCATE", "UPDATE"]
