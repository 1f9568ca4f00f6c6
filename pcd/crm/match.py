"""Decide which contact in GoHighLevel is a customer. Pure: keys and candidates in, an answer out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pcd.crm import normalize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a customer is known by: the stored *link*, the normalised *email*, the E.164 *phone*.

    *others* are all further e-mails and phones, in the same forms.
    """

    customer_id: int
    link: str | None = None
    email: str | None = None
    phone: str | None = None
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A contact that may be the customer, its keys as GoHighLevel has them.

    *customer_id* is what its custom field for ServiceTitan's id says, *linked_to* the customer whose link
    we have stored for it.
    """

    id: str
    email: str = ""
    phone: str = ""
    customer_id: int | None = None
    linked_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """The stored link says so."""

    contact_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """An existing contact is the customer; *by* says why: ``id``, ``email``, ``phone`` or ``further key``."""

    contact_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Not certain: a person has to decide. *contacts* are ids with the keys by which each was found."""

    reason: str
    contacts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """Nobody there is the customer."""


Match: TypeAlias = "Linked | Adopt | Conflict | New"


def match(keys: Keys, candidates: Collection[Candidate], *, country: str, allow_duplicates: bool) -> Match:
    """Return who of *candidates* is the customer with *keys*.

    The stored link wins, then our own id in the contact's custom field, then the e-mail, then the phone.
    Two contacts found by different keys are a conflict, and so is one that belongs to another customer,
    unless the account says *allow_duplicates*. Numbers without a country code are read as of *country*.
    The further e-mails and phones count only where those lead to nobody, and to nobody else's contact.
    """
    if keys.link is not None:
        return Linked(contact_id=keys.link)
    found = {one.id: _by(keys, one, country) for one in candidates}
    known = {one.id: one for one in candidates}
    own = [id_ for id_, by in found.items() if "id" in by]
    if len(own) == 1:
        return Adopt(contact_id=own[0], by="id")
    if own:
        return _conflict("several contacts carry the customer's id", found, own)
    mine = {id_: by for id_, by in found.items() if by}
    free = [id_ for id_ in mine if not _is_anothers(known[id_], keys)]
    if len(free) < len(mine) and not allow_duplicates:
        return _conflict("a contact with the same e-mail or phone is another customer's", found, list(mine))
    return _choose({id_: mine[id_] for id_ in free}) if mine else _by_others(keys, candidates, country)


def _choose(found: Mapping[str, tuple[str, ...]]) -> Match:
    """Return the one contact among those *found*: by both keys rather than by one."""
    if not found:
        return New()
    if len(found) == 1:
        return Adopt(contact_id=next(iter(found)), by=next(iter(found.values()))[0])
    both = [id_ for id_, by in found.items() if len(by) > 1]
    if len({by for keys in found.values() for by in keys}) > 1 and len(both) != 1:
        return _conflict("e-mail and phone lead to different contacts", found, list(found))
    if len(both) == 1:
        return Adopt(contact_id=both[0], by="email")
    key = "e-mail" if next(iter(found.values())) == ("email",) else "phone"
    return _conflict(f"several contacts have the customer's {key}", found, list(found))


def _by_others(keys: Keys, candidates: Collection[Candidate], country: str) -> Match:
    """Return the only contact with a further e-mail or phone of the customer.

    One who shares such a key with another customer is not that one: GoHighLevel is not told of it, so
    nothing there keeps both from having a contact of their own.
    """
    found = {
        one.id: ("further key",)
        for one in candidates
        if keys.others & {normalize.email(one.email), normalize.e164(one.phone, country)}
        and not _is_anothers(one, keys)
    }
    if len(found) > 1:
        return _conflict("several contacts have a further e-mail or phone of the customer", found, found)
    return Adopt(contact_id=next(iter(found)), by="further key") if found else New()


def _by(keys: Keys, one: Candidate, country: str) -> tuple[str, ...]:
    """Return the keys that a contact shares with the customer."""
    by = []
    if one.customer_id == keys.customer_id:
        by.append("id")
    if keys.email is not None and normalize.email(one.email) == keys.email:
        by.append("email")
    if keys.phone is not None and normalize.e164(one.phone, country) == keys.phone:
        by.append("phone")
    return tuple(by)


def _is_anothers(one: Candidate, keys: Keys) -> bool:
    return any(id_ not in {None, keys.customer_id} for id_ in (one.customer_id, one.linked_to))


def _conflict(reason: str, found: Mapping[str, tuple[str, ...]], ids: Iterable[str]) -> Conflict:
    return Conflict(reason=reason, contacts={id_: found[id_] for id_ in sorted(ids)})
