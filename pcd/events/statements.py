"""The statement that records facts, written for the tables as they are. Pure: declarations in, SQL out."""

# ruff: noqa: S608 - every name comes from a declaration or the catalogue and is quoted by pcd.tables.quote

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pcd.changes.capture import captures
from pcd.tables import RESOURCES
from pcd.tables.catalogue import SCHEMA
from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pcd.events.event import EventRule
    from pcd.tables.catalogue import Catalogue

_NOT_SHOWN = frozenset({"full_data", "pcd_hash", "pcd_modified", "pcd_as_of"})

_CONSUME = """fenced AS MATERIALIZED (
    SELECT
    FROM pcd.leases
    WHERE name = $17::text AND term = $18::bigint
    FOR KEY SHARE
), consumed AS (
    DELETE FROM pcd.outbox
    WHERE id = ANY($19::bigint[]) AND EXISTS (SELECT FROM fenced)
    RETURNING id, resource, st_id, op, before, after, stamps, xid, changed_at, origin
), logged AS (
    INSERT INTO pcd.change_log (id, resource, st_id, op, before, after, stamps, xid, changed_at, origin)
    SELECT id, resource, st_id, op, before, after, stamps, xid, changed_at, origin
    FROM consumed
), """

_RECORD = """WITH {consume}fact AS MATERIALIZED (
    SELECT given.*, gen_random_uuid() AS event_id, clock_timestamp() AS detected_at
    FROM unnest(
        $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[], $7::text[],
        $8::timestamptz[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::bigint[], $15::bigint[]
    ) WITH ORDINALITY AS given (
        type, entity_type, entity_id, st_id, identity, is_first, scope,
        occurred_at, change_id, state, head, row_key, suppressed, customer_given, job_id, position
    )
    {only_if}
), placed AS MATERIALIZED (
    SELECT
        fact.*,
        coalesce(known.ordinal, 0) AS before,
        coalesce(known.is_told, false) AS is_told,
        row_number() OVER (
            PARTITION BY fact.type, fact.entity_type, fact.entity_id, fact.scope ORDER BY fact.position
        ) AS place,
        row_number() OVER (
            PARTITION BY fact.type, fact.entity_type, fact.entity_id, fact.identity ORDER BY fact.position
        ) AS mention
    FROM fact
    CROSS JOIN LATERAL (
        SELECT
            max(key.ordinal) AS ordinal,
            bool_or(key.change_id = fact.change_id OR key.identity = fact.identity) AS is_told
        FROM automation.event_keys AS key
        WHERE key.type = fact.type
            AND key.entity_type = fact.entity_type
            AND key.entity_id = fact.entity_id
            AND starts_with(key.identity, fact.scope)
    ) AS known
), news AS MATERIALIZED (
    SELECT
        placed.*,
        before + count(*) OVER (
            PARTITION BY type, entity_type, entity_id, scope ORDER BY position
        ) AS ordinal
    FROM placed
    WHERE NOT is_told
        AND (NOT is_first OR (before = 0 AND place = 1))
        AND (identity = '' OR mention = 1)
), identified AS (
    INSERT INTO automation.event_keys
        (type, entity_type, entity_id, identity, ordinal, change_id, event_id, detected_at)
    SELECT
        type,
        entity_type,
        entity_id,
        coalesce(nullif(identity, ''), scope || ordinal),
        ordinal,
        change_id,
        event_id,
        detected_at
    FROM news
    ON CONFLICT DO NOTHING
    RETURNING event_id
), owned AS MATERIALIZED (
    SELECT
        news.*,
        coalesce(customer_given, (SELECT customer_id FROM {jobs} WHERE st_id = news.job_id)) AS customer_id,
        {rows} AS stored
    FROM news
    -- Not a join: its estimate of a few rows could make it a nested loop over thousands.
    WHERE (event_id IN (SELECT event_id FROM identified)) IS TRUE
), complete AS MATERIALIZED (
    SELECT
        owned.*,
        customer.st_id IS NOT NULL
            AND coalesce(customer.phone, customer.email) IS NOT NULL AS is_complete,
        -- Put together as text and read once; of a key that is there twice the last one counts, which lays
        -- the change's own values over the row.
        (
            '{{"customer":' || json_build_object(
                'name', customer.name, 'phone', customer.phone, 'email', customer.email
            )
            || ',"customerId":' || coalesce(owned.customer_id::text, 'null')
            || ',"ordinal":' || owned.ordinal
            || ',"' || owned.row_key || '":'
            || coalesce(left(owned.stored, -1), '{{"st_id":' || owned.st_id) || ',' || substr(owned.state, 2)
            || ',' || substr(owned.head, 2)
        )::jsonb AS payload
    FROM owned
    LEFT JOIN {customers} AS customer ON customer.st_id = owned.customer_id
), awaited AS (
    INSERT INTO pcd.incomplete_events (event_id, detected_at, customer_id)
    SELECT event_id, detected_at, customer_id
    FROM complete
    WHERE customer_id IS NOT NULL AND NOT is_complete AND entity_type <> 'customer'
), recorded AS (
    INSERT INTO automation.events
        (id, type, entity_type, entity_id, customer_id, ordinal, payload, occurred_at, detected_at,
         change_id, suppressed_reason)
    SELECT
        event_id,
        type,
        entity_type,
        entity_id,
        customer_id,
        ordinal,
        payload,
        occurred_at,
        detected_at,
        change_id,
        coalesce(
            nullif(suppressed, ''),
            CASE WHEN detected_at - occurred_at > $16::interval THEN 'max_age' END
        )
    FROM complete
    ORDER BY position
    RETURNING sequence, id, type, entity_type, entity_id, customer_id, ordinal, occurred_at, detected_at,
        suppressed_reason, change_id
)
"""
_EVENTS = """SELECT *
FROM recorded
ORDER BY sequence"""
_EVENTS_AND_COUNT = """SELECT recorded.*, batch.size
FROM (SELECT count(*) AS size FROM consumed) AS batch
LEFT JOIN recorded ON true
ORDER BY sequence"""


class Statements(NamedTuple):
    """What records facts: by resource those of one, under ``""`` of all.

    *in_transaction* runs inside a fenced one. *at_once* is one by itself: it fences, consumes and logs the
    changes as well, or does nothing; *size* is how many changes it consumed.
    """

    in_transaction: Mapping[str, str]
    at_once: Mapping[str, str]


def record(rules: Iterable[EventRule], catalogue: Catalogue) -> Statements:
    """Return the statements that record facts that are news, and yield their events in order.

    They take, for each fact, $1 type, $2 entity type, $3 entity id, $4 the row's id, $5 identity or "" for
    counted ones, $6 whether it can only be the first, $7 scope, $8 occurred at, $9 change id, $10 the row's
    tracked columns and $11 the payload's own keys as JSON objects that are not empty, $12 the payload's key
    of the row, $13 why it is suppressed or "", $14 the customer's id and $15 the job's, NULL where the row
    names none; and $16, the age from which on facts are suppressed, NULL for none. At once they also take
    $17 the lease, $18 its term, $19 the ids of the changes.
    """
    groups: dict[str, list[EventRule]] = {"": []}
    for rule in rules:
        groups[""].append(rule)
        groups.setdefault(rule.resource, []).append(rule)
    in_transaction, at_once = {}, {}
    for name, group in groups.items():
        parts = {
            "rows": _by("news", group, lambda rule: _row(rule, catalogue)),
            "customers": qualified(SCHEMA, "st_customers"),
            "jobs": qualified(SCHEMA, "st_jobs"),
        }
        in_transaction[name] = _RECORD.format(consume="", only_if="", **parts) + _EVENTS
        only_if = "WHERE EXISTS (SELECT FROM fenced)"
        at_once[name] = _RECORD.format(consume=_CONSUME, only_if=only_if, **parts) + _EVENTS_AND_COUNT
    return Statements(in_transaction, at_once)


def seed(rule: EventRule, column: str) -> str:
    """Return the statement that reads rows that may have something to come.

    It takes $1 the day from which on *column* counts, $2 the id after which to read on and $3 how many rows.
    """
    table = qualified(SCHEMA, f"st_{rule.resource}")
    names = ", ".join(quote(name) for name in tracked(rule.resource))
    return (
        "SELECT stored.st_id, to_jsonb(pcd_state)::text AS state "
        f"FROM {table} AS stored CROSS JOIN LATERAL (SELECT {names}) AS pcd_state "
        f"WHERE stored.{quote(column)} >= $1 AND stored.st_id > $2 ORDER BY stored.st_id LIMIT $3"
    )


def rows(resource: str, entity: object, rules: Iterable[EventRule]) -> str:
    """Return the statement that reads rows of *resource* as they are.

    It takes $1 the id after which to read on, $2 how many rows, and $3 the *entity*'s id; without an entity
    $3 and $4, two instants between which upstream created or changed them.
    """
    stamps = ("st_created_on", "st_modified_on")
    names = ", ".join(quote(name) for name in (*tracked(resource), *stamps))
    if entity:
        points = sorted({quote(rule.entity_column or "st_id") for rule in rules})
        wanted = " OR ".join(f"stored.{column} = $3" for column in points)
    else:
        since = "coalesce($3::timestamptz, '-infinity')"
        until = "coalesce($4::timestamptz, 'infinity')"
        wanted = " OR ".join(f"(stored.{name} >= {since} AND stored.{name} < {until})" for name in stamps)
    table = qualified(SCHEMA, f"st_{resource}")
    return (
        "SELECT stored.st_id, to_jsonb(pcd_state)::text AS state "
        f"FROM {table} AS stored CROSS JOIN LATERAL (SELECT {names}) AS pcd_state "
        f"WHERE stored.st_id > $1 AND ({wanted}) ORDER BY stored.st_id LIMIT $2"
    )


def tracked(resource: str) -> tuple[str, ...]:
    """Return the columns of which a change of *resource* tells."""
    return next(each.tracked for each in captures(RESOURCES.values()) if each.resource == resource)


def _by(source: str, rules: Sequence[EventRule], expression: Callable[[EventRule], str]) -> str:
    """Return a CASE that evaluates *expression* by *source*'s type, once for types that share it."""
    branches: dict[str, list[str]] = {}
    for rule in rules:
        branches.setdefault(expression(rule), []).append(literal(rule.type))
    lines = (f"WHEN {source}.type IN ({', '.join(types)}) THEN {text}" for text, types in branches.items())
    return "CASE " + " ".join(lines) + " END"


def _row(rule: EventRule, catalogue: Catalogue) -> str:
    name = f"st_{rule.resource}"
    columns = ", ".join(quote(each) for each in _shown(catalogue.tables[name].columns))
    return (
        f"(SELECT row_to_json(pcd_row)::text FROM (SELECT {columns} FROM {qualified(SCHEMA, name)} AS stored "
        "WHERE stored.st_id = news.st_id) AS pcd_row)"
    )


def _shown(columns: Mapping[str, object]) -> list[str]:
    return [name for name in columns if name not in _NOT_SHOWN]
