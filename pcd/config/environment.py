"""The names under which the environment, and systemd's credentials, may give a key."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pcd.config import schema
from pcd.config.convert import Given, Problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX = "PCD_"
_SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class OldName:
    """A name of the old system for *key*; *unit* completes a bare number into a duration."""

    name: str
    key: str
    unit: str = ""


# Of two names for one key the later wins.
OLD_NAMES = (
    OldName("DATABASE_URL", "database.url"),
    OldName("SERVICETITAN_DATABASE_URL", "database.url"),
    OldName("REDIS_URL", "redis.url"),
    OldName("SERVICE_TITAN_CLIENT_ID", "servicetitan.client_id"),
    OldName("SERVICE_TITAN_CLIENT_SECRET", "servicetitan.client_secret"),
    OldName("SERVICE_TITAN_APP_KEY", "servicetitan.app_key"),
    OldName("SERVICE_TITAN_TENANT_ID", "servicetitan.tenant_id"),
    OldName("SYNC_INCREMENTAL_CRON", "sync.incremental_cron"),
    OldName("SYNC_FULL_CRON", "sync.full_cron"),
    OldName("EVENT_POLL_INTERVAL_MS", "events.poll_interval", unit="ms"),
    OldName("EXECUTION_CHECK_INTERVAL_MS", "workflows.check_interval", unit="ms"),
    OldName("GHL_ACCESS_TOKEN", "ghl.token"),
    OldName("GHL_API_KEY", "ghl.token"),
    OldName("GHL_LOCATION_ID", "ghl.location_id"),
    OldName("GHL_SYNC_ENABLED", "ghl.enabled"),
    OldName("GHL_SYNC_CRON", "ghl.cron"),
    OldName("GHL_AUTO_SYNC_ESTIMATES", "ghl.auto_sync_estimates"),
    OldName("GHL_AUTO_SYNC_JOBS", "ghl.auto_sync_jobs"),
    OldName("GHL_AUTO_SYNC_CUSTOMERS", "ghl.auto_sync_customers"),
    OldName("HEALTH_CHECK_INTERVAL_MS", "health.interval", unit="ms"),
    OldName("ANTHROPIC_API_KEY", "ai.api_key"),
    OldName("LOG_LEVEL", "daemon.log_level"),
    OldName("TWILIO_ACCOUNT_SID", "messaging.twilio.account_sid"),
    OldName("TWILIO_AUTH_TOKEN", "messaging.twilio.auth_token"),
    OldName("TWILIO_PHONE_NUMBER", "messaging.twilio.phone_number"),
    OldName("SENDGRID_API_KEY", "messaging.sendgrid.api_key"),
    OldName("SENDGRID_FROM_EMAIL", "messaging.sendgrid.from_email"),
    OldName("SENDGRID_FROM_NAME", "messaging.sendgrid.from_name"),
)


def new_name(key: str) -> str:
    """Return the environment name of any *key*: ``PCD_DAEMON__HTTP_PORT`` for ``daemon.http_port``."""
    return _PREFIX + key.upper().replace(".", _SEPARATOR)


def from_environment(env: Mapping[str, str], problems: Problems) -> Iterator[tuple[str, Given]]:
    """Yield the keys that *env* gives, the weaker names before the stronger.

    The old system's names come first; an empty one is as good as none. ``NAME_FILE`` names a file that
    holds the secret, and is weaker than ``NAME``.
    """
    for old in OLD_NAMES:
        file = env.get(f"{old.name}{schema.FILE_SUFFIX.upper()}", "")
        if file and schema.KEYS[old.key].is_secret:
            yield old.key, _secret_file(Path(file), origin=f"file {file}")
        if text := env.get(old.name, ""):
            yield old.key, _complete(old, text, origin=f"environment {old.name}")
    new = [name for name in env if name.startswith(_PREFIX) and _SEPARATOR in name]
    for name in sorted(new, key=lambda name: (not name.endswith(schema.FILE_SUFFIX.upper()), name)):
        yield from _by_new_name(name, env[name], problems)


def from_credentials(folder: Path, problems: Problems) -> Iterator[tuple[str, Given]]:
    """Yield the keys whose values lie in *folder*, one file each, as systemd's LoadCredential= puts them.

    A file is named after the key (``servicetitan.client_secret``) or after one of its environment names
    (``SERVICE_TITAN_CLIENT_SECRET``). Other files belong to somebody else.
    """
    names = {old.name: old.key for old in OLD_NAMES} | {new_name(key): key for key in schema.KEYS}
    try:
        files = {file.name: file for file in folder.iterdir()}
    except OSError as error:
        given = Given("", "environment CREDENTIALS_DIRECTORY")
        problems.add(str(folder), given, f"cannot be read: {error.strerror}")
        return
    for name in (*names, *schema.KEYS):
        if name in files:
            yield names.get(name, name), _secret_file(files[name], origin=f"credential {name}")
    for name in sorted(files.keys() - names.keys() - schema.KEYS.keys()):
        if name.partition(".")[0] in schema.SECTIONS and "." in name:
            problems.add_unknown(name, Given("", "credential"))


def _by_new_name(name: str, text: str, problems: Problems) -> Iterator[tuple[str, Given]]:
    key = name.removeprefix(_PREFIX).lower().replace(_SEPARATOR, ".")
    given = Given(text, f"environment {name}", is_text=True)
    if key in schema.KEYS:
        yield key, given
        return
    owner = key.removesuffix(schema.FILE_SUFFIX)
    if owner in schema.KEYS and schema.KEYS[owner].is_secret:
        yield owner, _secret_file(Path(text), origin=f"file {text}")
        return
    problems.add_unknown(key, replace(given, origin="environment"), spelling=new_name)


def _secret_file(path: Path, *, origin: str) -> Given:
    return Given("", origin, is_text=True, secret_file=path)


def _complete(old: OldName, text: str, *, origin: str) -> Given:
    is_count = re.fullmatch(r"[0-9]+", text) is not None
    return Given(f"{text}{old.unit}" if is_count else text, origin, is_text=True)
