"""How a customer's e-mail and phone follow its contacts."""

# ruff: noqa: S608 - constants only

from __future__ import annotations

from types import MappingProxyType

from pcd.tables.rule import Rule, live

# As the old system showed them: (602) 555-0142. Anything but ten digits, or a one and ten, stays as it is.
_SHOWN = """CASE WHEN dialled.digits ~ '^1?[0-9]{10}$'
                THEN regexp_replace(right(dialled.digits, 10), '(...)(...)(....)', '(\\1) \\2-\\3')
                ELSE given.text END"""

CUSTOMER_CONTACT_DATA = Rule(
    name="customers.contact_data",
    target="customers",
    columns=("email", "phone", "phone_numbers", "email_addresses"),
    follows=MappingProxyType({"customer_contacts": "customer_id"}),
    fills="EXISTS (SELECT FROM servicetitan.st_customer_contacts WHERE customer_id = target.st_id)",
    computed=f"""SELECT
        wanted.st_id,
        left((array_agg(contact.shown ORDER BY contact.st_id)
            FILTER (WHERE contact.type = 'Email'))[1], 255) AS email,
        left((array_agg(contact.shown ORDER BY contact.type <> 'MobilePhone', contact.st_id)
            FILTER (WHERE contact.type IN ('MobilePhone', 'Phone')))[1], 50) AS phone,
        coalesce(jsonb_agg(jsonb_build_object(
            'id', contact.st_id,
            'type', contact.type,
            'value', contact.shown,
            'memo', contact.memo,
            'do_not_text', coalesce(contact.do_not_text, false)
        ) ORDER BY contact.st_id) FILTER (WHERE contact.type IN ('MobilePhone', 'Phone')), '[]')
            AS phone_numbers,
        coalesce(jsonb_agg(jsonb_build_object(
            'id', contact.st_id,
            'value', contact.shown,
            'memo', contact.memo
        ) ORDER BY contact.st_id) FILTER (WHERE contact.type = 'Email'), '[]') AS email_addresses
    FROM wanted
    LEFT JOIN (
        SELECT
            stored.st_id,
            stored.customer_id,
            stored.type,
            stored.memo,
            stored.do_not_text,
            CASE WHEN stored.type = 'Email' THEN given.text ELSE {_SHOWN} END AS shown
        FROM servicetitan.st_customer_contacts AS stored
        CROSS JOIN LATERAL (
            SELECT coalesce(nullif(btrim(stored.value), ''), btrim(stored.phone_number)) AS text
        ) AS given
        CROSS JOIN LATERAL (
            SELECT regexp_replace(given.text, '[^0-9]', '', 'g') AS digits
        ) AS dialled
        WHERE given.text <> '' AND {live("stored")}
    ) AS contact ON contact.customer_id = wanted.st_id
    GROUP BY wanted.st_id""",
)
