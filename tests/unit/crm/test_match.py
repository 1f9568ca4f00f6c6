"""Which contact is the customer."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from pcd.crm.match import Adopt, Candidate, Conflict, Keys, Linked, New, match

if TYPE_CHECKING:
    from pcd.crm.match import Match

KEYS = Keys(customer_id=7, email="rosa@example.com", phone="+12395550142")
BY_EMAIL = Candidate(id="e", email="Rosa@Example.com")
BY_PHONE = Candidate(id="p", phone="(239) 555-0142")
BY_BOTH = Candidate(id="b", email="rosa@example.com", phone="+12395550142")
BY_ID = Candidate(id="i", customer_id=7)
ANOTHERS = Candidate(id="a", email="rosa@example.com", linked_to=8)
FURTHER = replace(KEYS, others=frozenset({"rosa@work.example.com", "+18132340099"}))
BY_OTHER = Candidate(id="o", email="Rosa@Work.Example.com")
NOBODY = Candidate(id="n", email="other@example.com", phone="+12395550143")


@pytest.mark.parametrize(
    ("keys", "candidates", "expected"),
    [
        pytest.param(KEYS, (), New(), id="nobody there"),
        pytest.param(KEYS, (NOBODY,), New(), id="somebody else"),
        pytest.param(
            Keys(customer_id=7, link="x", email=KEYS.email), (BY_EMAIL,), Linked(contact_id="x"), id="link"
        ),
        pytest.param(KEYS, (BY_EMAIL, NOBODY), Adopt(contact_id="e", by="email"), id="e-mail"),
        pytest.param(KEYS, (BY_PHONE,), Adopt(contact_id="p", by="phone"), id="phone"),
        pytest.param(KEYS, (BY_BOTH,), Adopt(contact_id="b", by="email"), id="both"),
        pytest.param(KEYS, (BY_BOTH, BY_PHONE), Adopt(contact_id="b", by="email"), id="both before one"),
        pytest.param(KEYS, (BY_ID, BY_EMAIL), Adopt(contact_id="i", by="id"), id="our own id first"),
        pytest.param(
            Keys(customer_id=7), (Candidate(id="x"), NOBODY), New(), id="customer without keys is nobody"
        ),
        pytest.param(
            KEYS,
            (BY_EMAIL, BY_PHONE),
            Conflict(
                reason="e-mail and phone lead to different contacts",
                contacts={"e": ("email",), "p": ("phone",)},
            ),
            id="two keys, two contacts",
        ),
        pytest.param(
            KEYS,
            (BY_EMAIL, Candidate(id="f", email="rosa@example.com")),
            Conflict(
                reason="several contacts have the customer's e-mail",
                contacts={"e": ("email",), "f": ("email",)},
            ),
            id="one key, two contacts",
        ),
        pytest.param(
            KEYS,
            (ANOTHERS,),
            Conflict(
                reason="a contact with the same e-mail or phone is another customer's",
                contacts={"a": ("email",)},
            ),
            id="somebody shares the e-mail",
        ),
        pytest.param(
            FURTHER, (BY_OTHER, NOBODY), Adopt(contact_id="o", by="further key"), id="further e-mail"
        ),
        pytest.param(
            FURTHER,
            (Candidate(id="q", phone="813 234 0099"),),
            Adopt(contact_id="q", by="further key"),
            id="further phone",
        ),
        pytest.param(
            FURTHER, (BY_OTHER, BY_PHONE), Adopt(contact_id="p", by="phone"), id="the first keys win"
        ),
        pytest.param(
            FURTHER,
            (replace(BY_OTHER, linked_to=8),),
            New(),
            id="a further e-mail that is another customer's contact",
        ),
        pytest.param(
            FURTHER,
            (BY_OTHER, Candidate(id="q", phone="+18132340099")),
            Conflict(
                reason="several contacts have a further e-mail or phone of the customer",
                contacts={"o": ("further key",), "q": ("further key",)},
            ),
            id="two contacts by further keys",
        ),
        pytest.param(
            KEYS,
            (BY_ID, Candidate(id="j", customer_id=7)),
            Conflict(
                reason="several contacts carry the customer's id", contacts={"i": ("id",), "j": ("id",)}
            ),
            id="our own id twice",
        ),
    ],
)
def test_contact_is_found_by_the_strongest_key(
    keys: Keys, candidates: tuple[Candidate, ...], expected: Match
) -> None:
    for order in permutations(candidates):
        assert match(keys, order, country="US", allow_duplicates=False) == expected


def test_shared_email_is_no_conflict_where_duplicates_are_allowed() -> None:
    assert match(KEYS, (ANOTHERS,), country="US", allow_duplicates=True) == New()
    assert match(KEYS, (ANOTHERS, BY_PHONE), country="US", allow_duplicates=True) == Adopt(
        contact_id="p", by="phone"
    )
