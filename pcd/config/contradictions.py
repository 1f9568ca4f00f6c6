"""What no key shows alone: values that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.config import urls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcd.config.shape import Config, Probe

_SCHEMES = {
    "http": ("http", "https"),
    "postgres": ("postgresql", "postgres"),
    "redis": ("redis", "rediss", "unix"),
}
_TEXTERS = ("ghl", "twilio")
_MAILERS = ("ghl", "sendgrid", "smtp")


def find(config: Config) -> Iterator[str]:
    """Yield one sentence for each contradiction in *config*."""
    names = [probe.name for probe in config.health.probes]
    for number, probe in enumerate(config.health.probes, start=1):
        if names.index(probe.name) < number - 1:
            yield f'health.probes[{number}].name: "{probe.name}" is taken by another probe'
        yield from _of_probe(f"health.probes[{number}]", probe)
    smtp, sendgrid = config.messaging.smtp, config.messaging.sendgrid
    can_mail = (smtp.host and smtp.from_email) or (sendgrid.api_key and sendgrid.from_email)
    if config.alerts.email.to and not can_mail:
        yield (
            "alerts.email.to: found addresses, expected something to write to them with: "
            "messaging.smtp.host and from_email, or messaging.sendgrid.api_key and from_email"
        )
    if config.messaging.max_per_week < config.messaging.max_per_day:
        yield (
            f"messaging.max_per_week: found {config.messaging.max_per_week}, "
            f"expected at least max_per_day ({config.messaging.max_per_day})"
        )

    for key, provider, possible in (
        ("sms", config.messaging.sms, _TEXTERS),
        ("email", config.messaging.email, _MAILERS),
    ):
        if provider not in possible:
            yield f'messaging.{key}: found "{provider}", expected one that carries it: {", ".join(possible)}'
    hooks = [webhook.name for webhook in config.workflows.webhooks]
    if len(set(hooks)) < len(hooks):
        yield "workflows.webhooks: found a name twice"


def _of_probe(name: str, probe: Probe) -> Iterator[str]:
    target = probe.target.reveal()
    if probe.kind == "tcp":
        host, _, port = target.rpartition(":")
        if not host or "/" in target or not port.isdecimal() or not 0 < int(port) < 65_536:
            yield f'{name}.target: expected "host:port" for a tcp probe'
    elif urls.scheme_of(target) not in _SCHEMES[probe.kind]:
        yield f"{name}.target: expected {_SCHEMES[probe.kind][0]}://... for a probe of kind {probe.kind}"
