"""Decide whether a webhook is GoHighLevel's, and what it tells. Pure.

It is taken for a hint only: what changed is read again, so a wrong one costs a call and no more.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pcd.ghl.decode import UNREADABLE
from pcd.ghl.interpret import instant, text
from pcd.ghl.verify import is_signed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SIGNATURE = "x-ghl-signature"
"""The header with the signature, base64. Source: HighLevel's SDKs of 2026-06, ``webhook_manager``."""

WINDOW = timedelta(minutes=5)
"""How old, or how far ahead, a signed webhook may be.

Source: ``docs/oauth/WebhookAuthentication.md`` of highlevel-api-docs, 2026-06-19.
"""

_BOOKKEEPING = frozenset(
    {
        "type", "locationId", "timestamp", "webhookId", "appId", "versionId", "attachments", "dateAdded",
        "companyId",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorkeeping:
    """Whom to believe: the owner of *key*, and whoever knows the *secret*; both may be empty."""

    key: bytes = b""
    secret: bytes = field(default=b"", repr=False)
    subaccount_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something may have changed at *record_id*. *told* are the fields that the webhook carried."""

    model: Literal["contact", "opportunity"]
    record_id: str
    webhook_id: str = ""
    told: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It is not believed, or nothing can be made of it; *status* is for the answer."""

    reason: str
    status: int = 401


def admit(
    headers: Mapping[str, str], body: bytes, *, rules: Doorkeeping, now: datetime
) -> Hint | Refused | None:
    """Return the hint in *body*, why it is refused, or None for one that is about something else.

    Signed webhooks are those of a marketplace app; a workflow's own webhook carries the secret.
    """
    known = {name.lower(): value for name, value in headers.items()}
    signed = _signature(known.get(SIGNATURE, ""))
    if not _is_believed(known, body, signed=signed, rules=rules):
        return Refused(reason="neither the signature nor the secret is right")
    try:
        told = msgspec.json.decode(body)
    except UNREADABLE:
        return Refused(reason="not JSON", status=400)
    if isinstance(told, dict) and isinstance(told.get("data"), dict):
        told = {**{name: value for name, value in told.items() if name != "data"}, **told["data"]}
    if not isinstance(told, dict):
        return Refused(reason="no object", status=400)
    at = instant(told, "timestamp")
    if signed and (at is None or abs(now - at) > WINDOW):
        return Refused(reason="it is too old, or does not say how old it is")
    if text(told, "locationId") not in {"", rules.subaccount_id}:
        return Refused(reason="another subaccount's", status=403)
    return _hint(told)


def is_news(hint: Hint, stored: Mapping[str, Any] | None) -> bool:
    """Tell whether *hint* says anything that *stored*, the record as last received, does not.

    Our own writes come back as webhooks; what they tell is known from their answers.
    """
    if stored is None:
        return True
    told = {name: value for name, value in hint.told.items() if name not in _BOOKKEEPING}
    return any(_plain(value) != _plain(stored.get(name)) for name, value in told.items())


def _is_believed(known: Mapping[str, str], body: bytes, *, signed: bytes, rules: Doorkeeping) -> bool:
    if signed:
        return bool(rules.key) and is_signed(body, signature=signed, key=rules.key)
    given = known.get("authorization", "").removeprefix("Bearer ").encode(errors="replace")
    return bool(rules.secret) and hmac.compare_digest(given, rules.secret)


def _signature(header: str) -> bytes:
    try:
        return base64.b64decode(header, validate=True)
    except ValueError:
        return b"unreadable"


def _hint(told: Mapping[str, Any]) -> Hint | None:
    kind = text(told, "type")
    if kind.startswith("Opportunity"):
        model: Literal["contact", "opportunity"] = "opportunity"
        record_id = text(told, "id", "opportunity_id")
    elif kind.startswith("Contact") or not kind:
        model, record_id = "contact", text(told, "id", "contact_id", "contactId")
    else:
        model, record_id = "contact", text(told, "contactId")
    if not record_id:
        return None
    # Of a deleted record, and of one beside it (a note, a message), the fields tell nothing about it.
    is_about_it = kind.startswith(("Contact", "Opportunity")) and not kind.endswith("Delete")
    fields = dict(told) if is_about_it else {"deleted or beside it": kind}
    return Hint(model=model, record_id=record_id, webhook_id=text(told, "webhookId"), told=fields)


def _plain(value: object) -> object:
    """Return *value* so that equal ones compare equal: what is empty is absent, order means nothing."""
    if isinstance(value, list):
        return sorted((str(_plain(one)) for one in value), key=str) or None
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in sorted(value.items())} or None
    return None if value in ("", False, 0) else value
