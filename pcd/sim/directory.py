"""Who is a customer at present, where their pools are and which number they call from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from pcd.sim import dialect, money, people
from pcd.sim.names import pick

if TYPE_CHECKING:
    from random import Random

    from pcd.sim.people import Account, Site
    from pcd.sim.store import Store


class Directory:
    """The active customers of a store, read once; those who come or go later are told to it."""

    def __init__(self, store: Store) -> None:
        """Read the customers, their active locations and their phones."""
        self._store = store
        self._ids = [row.id for row in store["customers"].rows() if row.active]
        self._sites: dict[int, list[Site]] = {}
        self._phones: dict[int, str] = {}
        for row in store["locations"].rows():
            if row.active:
                location = orjson.loads(row.body)
                self._sites.setdefault(location["customerId"], []).append(people.known_site(location))
        for row in store["customer_contacts"].rows():
            contact = orjson.loads(row.body)
            if contact["type"] != "Email":
                self._phones[contact["customerId"]] = contact["value"]
        self._ids = [customer_id for customer_id in self._ids if customer_id in self._sites]

    def __len__(self) -> int:
        """Return the number of active customers."""
        return len(self._ids)

    def any(self, rng: Random) -> Account:
        """Return one of the active customers."""
        return self.account(pick(rng, self._ids))

    def account(self, customer_id: int) -> Account:
        """Return a customer as the store has it; KeyError if it has no active location."""
        row = self._store["customers"].row(customer_id)
        record = dialect.decode(row.body)
        return people.Account(
            id=customer_id,
            name=record["name"],
            is_commercial=record["type"] == "Commercial",
            created_at=dialect.from_ticks(row.created),
            modified_at=dialect.from_ticks(row.modified),
            phone=self._phones.get(customer_id, ""),
            email="",
            sites=self._sites[customer_id],
            tags=record["tagTypeIds"],
            balance=money.cents(str(record["balance"])),
            active=record["active"],
        )

    def add(self, account: Account) -> None:
        """Note a new customer."""
        self._ids.append(account.id)
        self._sites[account.id] = account.sites
        self._phones[account.id] = account.phone

    def merge(self, loser_id: int, *, into_id: int) -> None:
        """Note that a customer was merged into another one, who gets the locations."""
        self._ids.remove(loser_id)
        self._sites[into_id] += self._sites.pop(loser_id)
