"""What is fixed about a simulated sub-account: who may call it, and how it decides what is undocumented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from pcd.sim.ghl import defaults

if TYPE_CHECKING:
    from pcd.sim.ghl.records import CustomField, Pipeline, RemoteWorkflow, User


class InvalidPhone(StrEnum):
    """What happens to a phone number that cannot be one; undocumented."""

    REJECT = "reject"
    DROP = "drop"
    KEEP = "keep"


class FieldForm(StrEnum):
    """How an opportunity's custom field is answered: ``fieldValue``, or ``fieldValueString`` and the like."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GhlSimSettings:
    """One sub-account, one private integration, one marketplace app.

    Durations run in real time. *search_lag* is how long a change stays unseen by searches. *window_calls*
    in any *window* and *daily_calls* in a day are let through. *scopes* is what the token (and the app)
    were granted. *unsupported_routes* are paths, as the documents write them, that are not wired for
    public tokens. *person_actions_per_minute* is how often somebody works in the user interface.
    Everything in `guesses.GUESSES` that names a setting is one of these.

    Source: "Rate Limits", marketplace.gohighlevel.com, read 2026-11-23; HighLevel API documents of
    2026-06-19, ``docs/oauth/Authorization.md`` (lifetimes); what is in `guesses.GUESSES` is a guess.
    """

    token: str = "pit-00000000-0000-4000-8000-000000000001"  # noqa: S105 - known to everybody
    location_id: str = "SimLocation000000001"
    company_id: str = "SimCompany0000000001"
    name: str = "Heron Bay Pools"
    country: str = "US"
    timezone: str = "America/New_York"
    scopes: frozenset[str] = defaults.SCOPES
    unsupported_routes: frozenset[str] = frozenset()
    client_id: str = "sim-app-client"
    client_secret: str = "sim-app-secret"  # noqa: S105 - known to everybody
    refresh_token: str = "sim-refresh-1"  # noqa: S105 - known to everybody
    access_lifetime: timedelta = timedelta(seconds=86_399)
    refresh_grace: timedelta = timedelta(seconds=30)

    pipelines: tuple[Pipeline, ...] = defaults.PIPELINES
    custom_fields: tuple[CustomField, ...] = defaults.CUSTOM_FIELDS
    users: tuple[User, ...] = defaults.USERS
    workflows: tuple[RemoteWorkflow, ...] = defaults.WORKFLOWS

    allow_duplicate_contact: bool = False
    allow_duplicate_opportunity: bool = False
    search_lag: timedelta = timedelta(seconds=5)
    window: timedelta = timedelta(seconds=10)
    window_calls: int = 100
    daily_calls: int = 200_000

    match_order: tuple[str, ...] = ("email", "phone")
    closed_opportunity_blocks: bool = True
    invalid_phone: InvalidPhone = InvalidPhone.REJECT
    retry_after: bool = True
    duplicate_search_lags: bool = False
    opportunity_search_lags: bool = True
    range_keys: frozenset[str] = frozenset({"gte", "lte", "gt", "lt"})
    needs_slash: bool = True
    field_form: FieldForm = FieldForm.OBSERVED
    stop_sets_dnd: bool = True
    seed: int = 1
    person_actions_per_minute: float = 0.0
