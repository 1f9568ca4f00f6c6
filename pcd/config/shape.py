"""Every section of the configuration with its keys and their defaults.

An attribute is named as its key in ``config.toml``; ``config.toml`` itself says what each key is for.
Durations are `timedelta`, secrets are `Secret`, URLs that may carry a password are `Url`. A default
that is empty means "none", and whoever needs the value says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import field

from pcd.config import rules
from pcd.config.secret import Secret, Url

Interval = Annotated[timedelta, rules.SOME_TIME]
Cron = Annotated[str, rules.CRON]
WebAddress = Annotated[str, rules.WEB_ADDRESS]
PostgresUrl = Annotated[Url, rules.schemes("postgresql", "postgres")]
RedisUrl = Annotated[Url, rules.schemes("redis", "rediss", "unix")]
HookUrl = Annotated[Url, rules.schemes("https", "http")]
Port = Annotated[int, rules.between(0, 65_535)]
Provider = Annotated[str, rules.choice("ghl", "twilio", "sendgrid", "smtp")]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every section."""


class DaemonConfig(Section, frozen=True):
    """``[daemon]``. `load` chooses *data_dir* and *control_socket* for the user when they are not given."""

    data_dir: Path = Path("/var/lib/pcd")
    control_socket: Path = Path("/var/lib/pcd/control.sock")
    http_host: str = "127.0.0.1"
    http_port: Port = 3001
    http_token: Secret = Secret()
    heartbeat_file: Path = Path("/tmp/worker-heartbeat")  # noqa: S108 - the old system's promised name
    heartbeat_interval: Interval = timedelta(seconds=30)
    log_level: Annotated[str, rules.LOG_LEVEL] = "info"
    log_format: Annotated[str, rules.choice("text", "json")] = "text"
    timezone: Annotated[str, rules.TIMEZONE] = "America/New_York"


class DatabaseConfig(Section, frozen=True):
    """``[database]``. Without *url* the embedded PostgreSQL under ``daemon.data_dir`` is used."""

    url: PostgresUrl = Url()
    pool_size: Annotated[int, rules.between(2, 200)] = 10


class RedisConfig(Section, frozen=True):
    """``[redis]``. Without *url* there is none, and nothing misses it."""

    url: RedisUrl = Url()


class ServiceTitanConfig(Section, frozen=True):
    """``[servicetitan]``. *tenant_id* is digits."""

    api_url: WebAddress = "https://api.servicetitan.io"
    auth_url: WebAddress = "https://auth.servicetitan.io"
    tenant_id: Annotated[str, rules.DIGITS] = ""
    client_id: str = ""
    client_secret: Secret = Secret()
    app_key: Secret = Secret()
    requests_per_second: Annotated[float, rules.ABOVE_ZERO] = 60.0


class SyncConfig(Section, frozen=True):
    """``[sync]``. No *resources* means all; *fresh_interval* None means no fresh pass."""

    incremental_cron: Cron = "*/5 * * * *"
    full_cron: Cron = "0 2 * * *"
    fresh_interval: Interval | None = timedelta(seconds=15)
    lookback: timedelta = timedelta(minutes=10)
    resources: tuple[str, ...] = ()


class EventsConfig(Section, frozen=True):
    """``[events]``."""

    poll_interval: Interval = timedelta(seconds=30)
    max_age: Interval = timedelta(days=7)
    install_business_units: tuple[str, ...] = ("Install",)


class StepWebhook(Section, frozen=True):
    """One ``[[workflows.webhooks]]``: where steps may post to by *name*, with *secret* in *header*.

    The whole address is a secret: that of a Slack channel is all that it takes to post there.
    """

    name: str
    url: Annotated[Secret, rules.schemes("https", "http")]
    header: str = "X-Pcd-Secret"
    secret: Secret = Secret()


class WorkflowsConfig(Section, frozen=True):
    """``[workflows]``. *definitions* is a folder, None for the built-in definitions alone."""

    check_interval: Interval = timedelta(seconds=10)
    definitions: Path | None = None
    lease: Interval = timedelta(seconds=60)
    webhooks: tuple[StepWebhook, ...] = ()


class TwilioConfig(Section, frozen=True):
    """``[messaging.twilio]``."""

    api_url: WebAddress = "https://api.twilio.com"
    account_sid: str = ""
    auth_token: Secret = Secret()
    phone_number: str = ""


class SendgridConfig(Section, frozen=True):
    """``[messaging.sendgrid]``."""

    api_url: WebAddress = "https://api.sendgrid.com"
    api_key: Secret = Secret()
    from_email: str = ""
    from_name: str = ""


class SmtpConfig(Section, frozen=True):
    """``[messaging.smtp]``."""

    host: str = ""
    port: Port = 587
    tls: Annotated[str, rules.choice("starttls", "tls", "none")] = "starttls"
    username: str = ""
    password: Secret = Secret()
    from_email: str = ""
    from_name: str = ""


class MessagingConfig(Section, frozen=True):
    """``[messaging]``. Messages through GoHighLevel use ``[ghl]``."""

    mode: Annotated[str, rules.choice("off", "dry_run", "live")] = "dry_run"
    sms: Provider = "ghl"
    email: Provider = "ghl"
    quiet_hours: Annotated[str, rules.QUIET_HOURS] = "21:00-08:00"
    max_per_day: Annotated[int, rules.between(0, 100)] = 3
    max_per_week: Annotated[int, rules.between(0, 700)] = 10
    twilio: TwilioConfig = field(default_factory=TwilioConfig)
    sendgrid: SendgridConfig = field(default_factory=SendgridConfig)
    smtp: SmtpConfig = field(default_factory=SmtpConfig)


class BusinessConfig(Section, frozen=True):
    """``[business]``: facts that templates may use."""

    name: str = ""
    phone: str = ""
    review_link: str = ""
    payment_link: str = ""


class LeasesConfig(Section, frozen=True):
    """``[leases]``."""

    ttl: Interval = timedelta(seconds=30)


class SlackConfig(Section, frozen=True):
    """``[alerts.slack]``. The whole address is the secret."""

    webhook_url: Secret = Secret()


class AlertEmailConfig(Section, frozen=True):
    """``[alerts.email]``. Sent through ``messaging.email``'s provider."""

    to: tuple[str, ...] = ()


class WebhookConfig(Section, frozen=True):
    """``[alerts.webhook]``. *token* is sent as a bearer token."""

    url: HookUrl = Url()
    token: Secret = Secret()


class AlertsConfig(Section, frozen=True):
    """``[alerts]``. *digest_at* is the hour of the daily digest in ``daemon.timezone``, "" for none."""

    digest_at: Annotated[str, rules.CLOCK_TIME] = "07:30"
    slack: SlackConfig = field(default_factory=SlackConfig)
    email: AlertEmailConfig = field(default_factory=AlertEmailConfig)
    webhook: WebhookConfig = field(default_factory=WebhookConfig)


class SalesStages(Section, frozen=True):
    """``[ghl.pipelines.sales.stages]``: the stages' ids."""

    new_lead: str = ""
    contacted: str = ""
    appointment_scheduled: str = ""
    appointment_completed_proposal_sent: str = ""
    estimate_followup: str = ""
    job_sold: str = ""
    estimate_lost: str = ""


class InstallStages(Section, frozen=True):
    """``[ghl.pipelines.install.stages]``: the stages' ids."""

    estimate_approved_job_created: str = ""
    pre_install_planning_permitting: str = ""
    scheduled_ready_for_install: str = ""
    in_progress_on_site: str = ""
    on_hold_return_visit_needed: str = ""
    job_completed: str = ""


class SalesPipeline(Section, frozen=True):
    """``[ghl.pipelines.sales]``."""

    id: str = ""
    name: str = ""
    stages: SalesStages = field(default_factory=SalesStages)


class InstallPipeline(Section, frozen=True):
    """``[ghl.pipelines.install]``."""

    id: str = ""
    name: str = ""
    stages: InstallStages = field(default_factory=InstallStages)


class PipelinesConfig(Section, frozen=True):
    """``[ghl.pipelines]``."""

    sales: SalesPipeline = field(default_factory=SalesPipeline)
    install: InstallPipeline = field(default_factory=InstallPipeline)


class TechnicianOption(Section, frozen=True):
    """What stands for one technician in GoHighLevel: the *option* of the field of that *role*."""

    option: str
    role: Annotated[str, rules.choice("lead", "helper")] = "lead"


class CustomFieldsConfig(Section, frozen=True):
    """``[ghl.custom_fields]``: GoHighLevel's keys of the fields that we fill where the account has them."""

    customer: str = "contact.st_customer_id"
    job: str = "opportunity.st_job"
    leads: str = "opportunity.techs"
    helpers: str = "opportunity.techs"


class GhlOauthConfig(Section, frozen=True):
    """``[ghl.oauth]``: a marketplace app's, instead of ``ghl.token``. *encryption_key* seals its grant."""

    client_id: str = ""
    client_secret: Secret = Secret()
    encryption_key: Secret = Secret()


class GhlWebhooksConfig(Section, frozen=True):
    """``[ghl.webhooks]``. *public_key* is the one that HighLevel publishes, *secret* one of our own.

    Source: HighLevel's webhook guide and its SDKs, read 2026-11-23.
    """

    enabled: bool = False
    secret: Secret = Secret()
    public_key: str = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="


class GhlConfig(Section, frozen=True):
    """``[ghl]``. *technicians* is keyed by ServiceTitan's technician id; *followup_after* None is never."""

    enabled: bool = False
    api_url: WebAddress = "https://services.leadconnectorhq.com"
    token: Secret = Secret()
    location_id: str = ""
    requests_per_10s: Annotated[int, rules.between(1, 100_000)] = 80
    cron: Cron = "*/5 * * * *"
    install_check_interval: Interval = timedelta(minutes=2)
    auto_sync_estimates: bool = False
    auto_sync_jobs: bool = False
    auto_sync_customers: bool = False
    dry_run: bool = False
    search_lag: Interval = timedelta(seconds=30)
    followup_after: Interval | None = timedelta(days=7)
    sold_status: Annotated[str, rules.choice("won", "open")] = "won"
    oauth: GhlOauthConfig = field(default_factory=GhlOauthConfig)
    webhooks: GhlWebhooksConfig = field(default_factory=GhlWebhooksConfig)
    custom_fields: CustomFieldsConfig = field(default_factory=CustomFieldsConfig)
    pipelines: PipelinesConfig = field(default_factory=PipelinesConfig)
    technicians: Mapping[int, TechnicianOption] = field(default_factory=dict)


class Probe(Section, frozen=True):
    """One ``[[health.probes]]``: a system beside us to look at. *target* is a URL, host:port for tcp."""

    name: str
    kind: Annotated[str, rules.choice("http", "tcp", "postgres", "redis")]
    target: Url
    timeout: Interval = timedelta(seconds=5)


class HealthConfig(Section, frozen=True):
    """``[health]``."""

    interval: Interval = timedelta(minutes=5)
    sync_stalled_after: Interval = timedelta(minutes=30)
    workflow_stalled_after: Interval = timedelta(hours=1)
    remedies: Annotated[str, rules.choice("on", "dry_run", "off")] = "on"
    probes: tuple[Probe, ...] = ()


class AiConfig(Section, frozen=True):
    """``[ai]``. Without *api_key* nothing is asked."""

    api_key: Secret = Secret()
    base_url: WebAddress = "https://api.anthropic.com"
    model: str = "claude-haiku-5-5"
    diagnoses_per_day: Annotated[int, rules.between(0, 1000)] = 20


class Config(Section, frozen=True):
    """The whole configuration.

    *source* is the file it was read from. *origins* says for every key that is not at its default where
    its value came from: ``"file"``, ``"environment NAME"``, ``"file PATH"`` or ``"credential NAME"``.
    """

    daemon: DaemonConfig = field(default_factory=DaemonConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    redis: RedisConfig = field(default_factory=RedisConfig)
    servicetitan: ServiceTitanConfig = field(default_factory=ServiceTitanConfig)
    sync: SyncConfig = field(default_factory=SyncConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    workflows: WorkflowsConfig = field(default_factory=WorkflowsConfig)
    messaging: MessagingConfig = field(default_factory=MessagingConfig)
    business: BusinessConfig = field(default_factory=BusinessConfig)
    leases: LeasesConfig = field(default_factory=LeasesConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    ghl: GhlConfig = field(default_factory=GhlConfig)
    health: HealthConfig = field(default_factory=HealthConfig)
    ai: AiConfig = field(default_factory=AiConfig)
    source: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
