from __future__ import annotations

from dataclasses import replace

from pcd.tables.catalogue import Table, TableColumn
from pcd.tables.spec import ListEndpoint, Resource, col
from pcd.tables.statements import prefilter, upsert

BIRD = Resource(
    name="birds",
    table="st_birds",
    scope="tn.test.birds:r",
    list=ListEndpoint(path="/birds"),
    columns=(
        col("name", "varchar(50)", "name"),
        col("order", "integer", "order"),
        col("shown", "text", "name"),
    ),
)
TABLE = Table(
    name="st_birds",
    columns={
        "name": TableColumn(name="name", type="character varying(50)", width=50),
        "order": TableColumn(name="order", type="integer"),
        "shown": TableColumn(name="shown", type="text", generated=True),
        "st_modified_on": TableColumn(name="st_modified_on", type="timestamp with time zone"),
        "full_data": TableColumn(name="full_data", type="jsonb"),
    },
)


def test_generated_columns_are_not_written() -> None:
    assert '"shown"' not in upsert(BIRD, TABLE)


def test_names_that_are_keywords_are_quoted() -> None:
    assert '"order" = EXCLUDED."order"' in upsert(BIRD, TABLE)


def test_column_that_the_table_lacks_is_not_written() -> None:
    assert "st_created_on" not in upsert(BIRD, TABLE)


def test_second_stamp_of_the_old_worker_is_written_where_it_exists() -> None:
    stamped = replace(
        TABLE, columns={**TABLE.columns, "last_synced_at": TableColumn(name="last_synced_at", type="x")}
    )
    assert "last_synced_at" not in upsert(BIRD, TABLE)
    assert "now() AT TIME ZONE 'UTC'" in upsert(BIRD, stamped)


def test_resource_without_a_modification_instant_leaves_that_column_alone() -> None:
    assert "st_modified_on" not in upsert(replace(BIRD, modified=""), TABLE)


def test_nothing_is_counted_where_nothing_can_be_cut() -> None:
    wide = replace(TABLE, columns={**TABLE.columns, "name": TableColumn(name="name", type="text")})
    assert "RETURNING false AS is_filled" in upsert(BIRD, wide)
    assert "octet_length" in upsert(BIRD, TABLE)


def test_constants_tell_resources_of_one_table_apart() -> None:
    wren = replace(BIRD, constants={"kind": "wren's"})
    assert "'wren''s'" in upsert(wren, TABLE)


def test_keys_are_yielded_with_what_is_stored() -> None:
    assert 'stored."nest_id"' in prefilter(BIRD, keys=("nest_id",))
    nesting = replace(TABLE, columns={**TABLE.columns, "nest_id": TableColumn(name="nest_id", type="bigint")})
    assert 'AS "nest_id",' in upsert(BIRD, nesting, keys=("nest_id",))
