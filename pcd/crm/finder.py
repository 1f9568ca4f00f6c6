"""Finds the contacts in GoHighLevel that may be a customer, by asking it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pcd.crm import normalize
from pcd.crm.copy import customer_id_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.crm.outbox import Owed
    from pcd.crm.settings import CrmSettings
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact
    from pcd.redis.cache import Cache

LASTING: Final = timedelta(hours=1)
"""How long an id is kept for the next who looks: a call is tried again, or a standby takes over, sooner."""

_OWN = "customer"


class Finder:
    """Looks contacts up by a customer's keys.

    With *cache* it asks for the id that was found or made before. That alone proves nothing: the contact is
    read, and counts only while it has the key, or our own id in its custom field.
    """

    def __init__(
        self, client: GoHighLevel, *, settings: Callable[[], CrmSettings], cache: Cache | None = None
    ) -> None:
        self._client = client
        self._settings = settings
        self._cache = cache

    async def find(self, call: Owed) -> list[Contact]:
        """Return whom GoHighLevel takes for the owner of the customer's e-mail, and of the phone.

        The contact that carries the customer's own id is found only where it was remembered; it is the only
        one then.
        """
        keys = self._keys(call)
        known = await self._cache.find(keys.values()) if self._cache else {}
        met: dict[str, Contact] = {}
        for kind, key in keys.items():
            found = await self._verify(call, kind, key, known[key]) if key in known else None
            if found is not None and kind == _OWN:
                return [found]
            if found is None and kind != _OWN:
                found = await self._ask(call, kind, key)
            if found is not None:
                met[found.id] = found
        return list(met.values())

    async def remember(self, call: Owed, contact: Contact) -> None:
        """Let whoever looks next find the *contact* that *call* has made, even before it is stored."""
        if self._cache:
            await self._cache.keep(dict.fromkeys(self._keys(call).values(), contact.id))

    async def forget(self, call: Owed) -> None:
        """Forget which contact carries the customer's id: it is gone."""
        key = self._keys(call).get(_OWN)
        if self._cache and key:
            await self._cache.forget(key)

    async def _ask(self, call: Owed, kind: str, key: str) -> Contact | None:
        value = call.fields[kind]
        found = await self._client.find_duplicate(**{kind: value}, low_priority=call.is_low_priority)
        if found is not None and self._cache and self._has(call, kind, found):
            await self._cache.keep({key: found.id})
        return found

    async def _verify(self, call: Owed, kind: str, key: str, contact_id: str) -> Contact | None:
        """Return the contact if it is there and still has the key; else forget that it had."""
        found = await self._client.get_contact(contact_id, low_priority=call.is_low_priority)
        if found is not None and self._has(call, kind, found):
            return found
        assert self._cache is not None
        await self._cache.forget(key)
        return None

    def _has(self, call: Owed, kind: str, contact: Contact) -> bool:
        settings = self._settings()
        if kind == _OWN:
            field = settings.custom_fields.customer or ""
            return customer_id_in(contact.custom_fields, field) == call.customer_id
        has = {
            "email": normalize.email(contact.email),
            "phone": normalize.e164(contact.phone, settings.country),
        }
        return bool(has[kind] == call.fields[kind])

    def _keys(self, call: Owed) -> Mapping[str, str]:
        """Return what the customer is looked up by, the surest first."""
        own = call.customer_id if self._settings().custom_fields.customer else None
        given = {_OWN: own, "email": call.fields.get("email"), "phone": call.fields.get("phone")}
        return {kind: f"{kind}:{value}" for kind, value in given.items() if value}
