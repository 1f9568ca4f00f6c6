"""What is fixed about a simulated ServiceTitan: who may call it, and how it decides what is undocumented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Overflow(StrEnum):
    """What happens to a ``pageSize`` above the maximum; undocumented."""

    CLAMP = "clamp"
    REJECT = "reject"


class LagView(StrEnum):
    """What a plain export shows of a record that changed within the lag; undocumented."""

    HIDDEN = "hidden"
    PREVIOUS = "previous"


class Throttle(StrEnum):
    """How a 429 tells when to come back: by header, by its title, not at all, or as the gateway writes it."""

    HEADER = "header"
    TITLE = "title"
    NONE = "none"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSettings:
    """One tenant, one application, and a choice for each thing that the documentation leaves open.

    *scopes* are those granted to the application, None for all that the declared resources need.
    *token_lifetime* and the limits run in real time, *export_lag* in the tenant's.

    Source: "OAuth 2.0" (900 s), "Transactional and export APIs" (15 minutes) and "FAQs: APIs, app keys,
    client keys" (60 calls a second), ServiceTitan's developer portal, "Timeouts and pagination",
    partnerapis.servicetitan.io (50, at most 5000), all read 2026-11-23; the rest is open: guesses.
    """

    tenant: str = "1000"
    client_id: str = "sim-client"
    client_secret: str = "sim-secret"  # noqa: S105 - known to everybody
    app_key: str = "sim-app-key"
    scopes: frozenset[str] | None = None
    token_lifetime: timedelta = timedelta(seconds=900)
    tokens_per_minute: int = 120
    foreign_tenant_status: int = 403
    requests_per_second: int = 60
    throttle: Throttle = Throttle.HEADER
    page_size: int = 50
    max_page_size: int = 5000
    overflow: Overflow = Overflow.CLAMP
    export_page_size: int = 500
    export_lag: timedelta = timedelta(minutes=15)
    lag_view: LagView = LagView.PREVIOUS
