"""Customers, where they live and how to reach them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from pcd.sim import names, staff
from pcd.sim.names import pick

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from pcd.sim.dialect import Record
    from pcd.sim.names import Address
    from pcd.sim.store import Store

PAYMENT_TERM_NET_30 = 3
_COMMERCIAL_SHARE = 0.11
_PREFERENCES = {
    "jobRemindersEnabled": True,
    "marketingUpdatesEnabled": True,
    "invoiceStatementNotification": True,
    "invoiceNotification": True,
    "statementNotification": False,
}
_MEMOS = (
    "Call after 9.",
    "Leave the key with the neighbor.",
    "Works nights, text first.",
    "Property manager.",
)


@dataclass(slots=True)
class Site:
    """A service location of a customer."""

    id: int
    name: str
    address: Address


@dataclass(slots=True)
class Account:
    """A customer as the rest of the company sees it. *balance* is in cents and moves *modified_at*."""

    id: int
    name: str
    is_commercial: bool
    created_at: datetime
    modified_at: datetime
    phone: str
    email: str
    sites: list[Site] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    membership_id: int | None = None
    balance: int = 0
    active: bool = True
    merged_to_id: int | None = None
    custom_fields: list[Record] = field(default_factory=list)
    legacy_id: str | None = None

    def owe(self, cents: int, *, at: datetime) -> None:
        """Add *cents* (negative: take off) to the balance, which counts as a modification."""
        self.balance += cents
        self.touch(at)

    def touch(self, at: datetime) -> None:
        """Note that the customer's own record was modified at *at*, unless it was later already."""
        self.modified_at = max(self.modified_at, at)

    def record(self) -> Record:
        """Return the customer as the API shows it, without its dates."""
        legacy = [{"key": "legacyId", "value": self.legacy_id}] if self.legacy_id else []
        return {
            "id": self.id,
            "active": self.active,
            "name": self.name,
            "type": "Commercial" if self.is_commercial else "Residential",
            "address": self.sites[0].address,
            "customFields": self.custom_fields,
            "balance": Decimal(self.balance).scaleb(-2),
            "taxExempt": False,
            "tagTypeIds": self.tags,
            "doNotMail": False,
            "doNotService": staff.TAGS[8].id in self.tags,
            "nationalAccount": False,
            "createdById": staff.AGENTS[self.id % len(staff.AGENTS)].id,
            "mergedToId": self.merged_to_id,
            "paymentTermId": PAYMENT_TERM_NET_30 if self.is_commercial else None,
            "creditLimit": None,
            "creditLimitBalance": None,
            "externalData": legacy,
        }

    def save(self, store: Store) -> None:
        """Put the customer's record."""
        store["customers"].put(self.record(), created_at=self.created_at, modified_at=self.modified_at)


def invent(store: Store, rng: Random, *, at: datetime, serial: int) -> Account:
    """Return a new account, not saved; *serial* makes phone numbers and addresses differ."""
    commercial = rng.random() < _COMMERCIAL_SHARE
    name = names.business(rng) if commercial else names.household(rng)
    account = Account(
        id=store.next_id(),
        name=name,
        is_commercial=commercial,
        created_at=at,
        modified_at=at,
        phone=names.phone(rng, serial=serial),
        email=names.email(name, serial=serial),
    )
    if rng.random() < 0.3:
        account.custom_fields.append(_value(staff.GATE_CODE, f"#{int(rng.random() * 9000) + 1000}"))
    if rng.random() < 0.2:
        account.custom_fields.append(_value(staff.CONTACT_BY, pick(rng, ("Call", "Text", "Email"))))
    account.tags.extend(tag.id for tag in staff.TAGS[:7] if tag is not staff.TAGS[1] and rng.random() < 0.06)
    return account


def settle_in(account: Account, store: Store, rng: Random, *, serial: int) -> None:
    """Give the account its service locations and contacts, and put those."""
    for number in range(_site_count(account, rng)):
        account.sites.append(_site(account, store, rng, number=number))
    kind = "Phone" if account.is_commercial or rng.random() < 0.25 else "MobilePhone"
    _contact(account, store, rng, kind=kind, value=account.phone)
    if rng.random() < 0.88:
        _contact(account, store, rng, kind="Email", value=account.email)
    if rng.random() < 0.3:
        second = names.phone(rng, serial=serial + 40_000)
        _contact(account, store, rng, kind=pick(rng, ("MobilePhone", "Phone", "Phone")), value=second)
    if rng.random() < 0.06:
        other = names.email(account.name, serial=serial + 40_000)
        _contact(account, store, rng, kind="Email", value=other, active=rng.random() < 0.5)


def add_contact(store: Store, *, owner_id: int, kind: str, value: str, at: datetime) -> int:
    """Put one more contact of a customer and return its id."""
    contact_id = store.next_id()
    number = "" if kind == "Email" else names.digits(value)
    record = {
        "id": contact_id,
        "type": kind,
        "value": value,
        "memo": None,
        "customerId": owner_id,
        "phoneSettings": {"phoneNumber": number, "doNotText": False},
        "preferences": _PREFERENCES,
        "active": True,
    }
    store["customer_contacts"].put(record, created_at=at, modified_at=at)
    return contact_id


def known_site(location: Record) -> Site:
    """Return the site of a stored location."""
    return Site(location["id"], location["name"], location["address"])


def _site_count(account: Account, rng: Random) -> int:
    chance = rng.random()
    if account.is_commercial:
        return 1 + (chance > 0.6) + (chance > 0.85) + (chance > 0.95)
    return 1 + (chance > 0.95)


def _site(account: Account, store: Store, rng: Random, *, number: int) -> Site:
    site = Site(
        id=store.next_id(),
        name=account.name if number == 0 else f"{account.name} - {pick(rng, names.BIRDS)} Pool",
        address=names.address(rng),
    )
    record = {
        "id": site.id,
        "customerId": account.merged_to_id or account.id,
        "active": True,
        "name": site.name,
        "address": site.address,
        "customFields": [_value(staff.POOL_TYPE, "In-ground" if rng.random() < 0.9 else "Spa")],
        "createdById": staff.AGENTS[site.id % len(staff.AGENTS)].id,
        "mergedToId": None,
        "zoneId": None,
        "taxExempt": False,
        "tagTypeIds": [],
        "externalData": [],
        "taxZoneId": None,
    }
    store["locations"].put(record, created_at=account.created_at, modified_at=account.modified_at)
    return site


def _contact(
    account: Account, store: Store, rng: Random, *, kind: str, value: str, active: bool = True
) -> None:
    number = "" if kind == "Email" else names.digits(value)
    record = {
        "id": store.next_id(),
        "type": kind,
        "value": value,
        "memo": pick(rng, _MEMOS) if rng.random() < 0.15 else None,
        "customerId": account.merged_to_id or account.id,
        "phoneSettings": {"phoneNumber": number, "doNotText": rng.random() < 0.04},
        "preferences": _PREFERENCES,
        "active": active,
    }
    store["customer_contacts"].put(record, created_at=account.created_at, modified_at=account.modified_at)


def _value(custom: staff.Named, value: str) -> Record:
    return {"typeId": custom.id, "name": custom.name, "value": value}
