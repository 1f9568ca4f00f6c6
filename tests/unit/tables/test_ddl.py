from __future__ import annotations

from dataclasses import replace

import pytest

from pcd.tables import RESOURCES
from pcd.tables.catalogue import Catalogue, ForeignKey, Table, TableColumn, TableIndex
from pcd.tables.ddl import plan
from pcd.tables.spec import ListEndpoint, Resource, col, index

BIRD = Resource(
    name="birds",
    table="st_birds",
    scope="tn.test.birds:r",
    list=ListEndpoint(path="/birds"),
    columns=(
        col("name", "varchar(50)", "name"),
        col("weight", "numeric(18,4)", "weight", default="0"),
        col("note", "text"),
    ),
    indexes=(index("name"), index("weight", where="weight > 0")),
)

OURS = {
    "id": "uuid",
    "st_id": "bigint",
    "tenant_id": "bigint",
    "active": "boolean",
    "st_created_on": "timestamp with time zone",
    "st_modified_on": "timestamp with time zone",
    "local_synced_at": "timestamp with time zone",
    "local_created_at": "timestamp with time zone",
    "full_data": "jsonb",
    "st_deleted_at": "timestamp with time zone",
    "pcd_hash": "bytea",
    "pcd_modified": "text",
    "pcd_as_of": "timestamp with time zone",
    "name": "character varying(50)",
    "weight": "numeric(18,4)",
    "note": "text",
}


def marks(statements: list[str]) -> dict[str, str]:
    """Return the comments that *statements* put on functions and triggers, by name."""
    comments = [it for it in statements if it.startswith("COMMENT ON")]
    return {
        "foreign_write" if "FUNCTION" in it else "pcd_foreign_write": it.rpartition(" IS ")[2].strip(" '")
        for it in comments
    }


def shaped(**changes: object) -> Catalogue:
    """Return the catalogue in which BIRD has its table, with *changes* to that table."""
    made = marks(plan(Catalogue(), [BIRD]))
    table = Table(
        name="st_birds",
        columns={
            name: TableColumn(
                name=name, type=type_name, not_null=name in {"id", "st_id", "tenant_id", "full_data"}
            )
            for name, type_name in OURS.items()
        },
        indexes=(
            TableIndex(name="st_birds_pkey", columns=("id",), unique=True),
            TableIndex(name="st_birds_st_id_key", columns=("st_id",), unique=True),
            TableIndex(name="a", columns=("name",)),
            TableIndex(name="b", columns=("weight",), where="weight > 0::numeric"),
        ),
        primary_key=frozenset({"id"}),
        marks={"pcd_foreign_write": made["pcd_foreign_write"]},
    )
    return Catalogue(
        tables={"st_birds": replace(table, **changes)},  # type: ignore[arg-type]
        marks={"foreign_write": made["foreign_write"]},
    )


def test_shaped_database_needs_nothing() -> None:
    assert plan(shaped(), [BIRD]) == []


def test_empty_database_gets_a_table_for_every_resource_once() -> None:
    statements = plan(Catalogue(), RESOURCES.values())
    created = [it.split()[5] for it in statements if it.startswith("CREATE TABLE")]
    assert sorted(created) == sorted({f'"servicetitan"."{it.table}"' for it in RESOURCES.values()})


@pytest.mark.parametrize(
    "statement", plan(Catalogue(), RESOURCES.values()), ids=lambda it: " ".join(it.split())[:60]
)
def test_every_statement_may_run_twice(statement: str) -> None:
    assert "IF NOT EXISTS" in statement or "OR REPLACE" in statement or statement.startswith("COMMENT ON")


def test_only_what_identifies_a_row_must_not_be_null() -> None:
    (create,) = [it for it in plan(Catalogue(), [BIRD]) if it.startswith("CREATE TABLE")]
    required = [line.split()[0].strip('"') for line in create.splitlines() if "NOT NULL" in line]
    assert required == ["st_id", "tenant_id", "full_data"]


def test_missing_column_is_added_and_nothing_else() -> None:
    columns = {name: it for name, it in shaped().tables["st_birds"].columns.items() if name != "weight"}
    statements = [it for it in plan(shaped(columns=columns), [BIRD]) if it.startswith("ALTER")]
    assert statements == [
        'ALTER TABLE "servicetitan"."st_birds" ADD COLUMN IF NOT EXISTS "weight" numeric(18,4) DEFAULT 0'
    ]


def test_row_that_is_there_already_was_not_created_now() -> None:
    columns = {
        name: it for name, it in shaped().tables["st_birds"].columns.items() if name != "local_created_at"
    }
    assert plan(shaped(columns=columns), [BIRD]) == [
        'ALTER TABLE "servicetitan"."st_birds" ADD COLUMN IF NOT EXISTS "local_created_at" timestamptz',
        'ALTER TABLE "servicetitan"."st_birds" ALTER COLUMN "local_created_at" SET DEFAULT now()',
    ]


def test_not_null_that_upstream_leaves_null_is_relaxed_and_remembered() -> None:
    columns = dict(shaped().tables["st_birds"].columns)
    columns["name"] = replace(columns["name"], not_null=True)
    remember, relax = plan(shaped(columns=columns), [BIRD])
    assert 'ALTER COLUMN "name" SET NOT NULL' in remember
    assert "pcd.relaxed" in remember
    assert relax == 'ALTER TABLE "servicetitan"."st_birds" ALTER COLUMN "name" DROP NOT NULL'


def test_foreign_key_between_mirrored_tables_is_relaxed_and_another_is_not() -> None:
    keys = (
        ForeignKey(
            name="fk_parent", references="st_birds", definition="FOREIGN KEY (x) REFERENCES st_birds(st_id)"
        ),
        ForeignKey(
            name="fk_report", references="reports", definition="FOREIGN KEY (y) REFERENCES reports(id)"
        ),
    )
    statements = plan(shaped(foreign_keys=keys), [BIRD])
    assert len(statements) == 2
    assert statements[1] == 'ALTER TABLE "servicetitan"."st_birds" DROP CONSTRAINT IF EXISTS "fk_parent"'


def test_adopted_table_without_a_unique_st_id_gets_one() -> None:
    indexes = tuple(it for it in shaped().tables["st_birds"].indexes if it.columns != ("st_id",))
    assert plan(shaped(indexes=indexes), [BIRD]) == [
        'CREATE UNIQUE INDEX IF NOT EXISTS "st_birds_st_id_key" ON "servicetitan"."st_birds" (st_id)'
    ]


@pytest.mark.parametrize(
    ("existing", "is_enough"),
    [
        pytest.param(TableIndex(name="i", columns=("name",)), True, id="the same"),
        pytest.param(TableIndex(name="i", columns=("name", "weight")), True, id="one that begins with it"),
        pytest.param(TableIndex(name="i", columns=('"name"',)), True, id="quoted"),
        pytest.param(TableIndex(name="i", columns=("weight", "name")), False, id="another order"),
        pytest.param(TableIndex(name="i", columns=("name DESC",)), False, id="another direction"),
        pytest.param(TableIndex(name="i", columns=("name",), where="weight > 0"), False, id="partial"),
        pytest.param(TableIndex(name="i", columns=("name",), method="hash"), False, id="another method"),
    ],
)
def test_index_is_made_unless_one_answers_for_it(existing: TableIndex, *, is_enough: bool) -> None:
    others = tuple(it for it in shaped().tables["st_birds"].indexes if it.columns != ("name",))
    statements = plan(shaped(indexes=(*others, existing)), [BIRD])
    assert statements == (
        []
        if is_enough
        else [
            'CREATE INDEX IF NOT EXISTS "st_birds_name_idx" ON "servicetitan"."st_birds" USING btree (name)'
        ]
    )


def test_index_whose_name_is_taken_gets_another() -> None:
    others = tuple(it for it in shaped().tables["st_birds"].indexes if it.columns != ("name",))
    taken = TableIndex(name="st_birds_name_idx", columns=("note",))
    (statement,) = plan(shaped(indexes=(*others, taken)), [BIRD])
    assert '"st_birds_name_idx_' in statement


def test_index_over_a_column_of_another_type_is_not_made() -> None:
    columns = {**shaped().tables["st_birds"].columns, "weight": TableColumn(name="weight", type="text")}
    indexes = tuple(it for it in shaped().tables["st_birds"].indexes if it.columns != ("weight",))
    assert plan(shaped(columns=columns, indexes=indexes), [BIRD]) == []


def test_trigger_leaves_generated_columns_out_and_compares_json_as_text() -> None:
    columns = {
        **shaped().tables["st_birds"].columns,
        "name": TableColumn(name="name", type="text", generated=True),
        "full_data": TableColumn(name="full_data", type="json", not_null=True),
    }
    (create, _) = plan(shaped(columns=columns), [BIRD])
    assert 'NEW."name"' not in create
    assert 'NEW."full_data"::text' in create


def test_resources_that_share_a_table_shape_it_together() -> None:
    wren = replace(
        BIRD, name="wrens", columns=(*BIRD.columns, col("song", "text", "song")), constants={"note": "wren"}
    )
    statements = plan(Catalogue(), [BIRD, wren])
    (create,) = [it for it in statements if it.startswith("CREATE TABLE")]
    assert '"song" text' in create
    assert len([it for it in statements if it.startswith("CREATE OR REPLACE TRIGGER")]) == 1
