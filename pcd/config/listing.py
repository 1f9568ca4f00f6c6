"""The configuration for people's eyes: every key, its value without secrets, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from pcd.config import durations, schema
from pcd.config.secret import Secret
from pcd.config.shape import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcd.config.shape import Config

_NEEDED = {
    "ServiceTitan": (
        "servicetitan.tenant_id",
        "servicetitan.client_id",
        "servicetitan.client_secret",
        "servicetitan.app_key",
    ),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: *value* is fit for JSON and shows no secret, *origin* is "default" or where it came from."""

    key: str
    value: object
    origin: str


def entries(config: Config) -> Iterator[Entry]:
    """Yield every key of *config* in the order of ``config.toml``."""
    for name in schema.KEYS:
        value = value_of(config, name)
        yield Entry(name, shown(value), config.origins.get(name, "default"))


def value_of(config: Config, key: str) -> object:
    """Return the value of the dotted *key*."""
    value: object = reduce(getattr, key.split("."), config)
    return value


def shown(value: object) -> object:  # noqa: PLR0911 - one a type
    """Return *value* as JSON can hold it, secrets replaced."""
    match value:
        case timedelta():
            return durations.write(value)
        case Secret() | Path():
            return str(value)
        case None:
            return ""
        case Section():
            return {name: shown(one) for name, one in structs.asdict(value).items()}
        case dict():
            return {str(name): shown(one) for name, one in value.items()}
        case tuple():
            return [shown(one) for one in value]
        case _:
            return value


def notes(config: Config) -> Iterator[str]:
    """Yield what is no error but worth a word: absent credentials, secrets that others may read."""
    for service, needed in _NEEDED.items():
        if absent := [key for key in needed if not value_of(config, key)]:
            yield f"{service} cannot be reached yet: {', '.join(absent)} not set"
    if config.ghl.enabled:
        has_key = bool(config.ghl.token or config.ghl.oauth.client_id)
        held = {"ghl.token": has_key, "ghl.location_id": bool(config.ghl.location_id)}
        if absent := [key for key, is_set in held.items() if not is_set]:
            yield f"GoHighLevel cannot be reached yet: {', '.join(absent)} not set"
        else:
            yield "`pcd ghl check` tries GoHighLevel"
    source = config.source
    if source is not None and source.stat().st_mode & 0o004:
        inline = [key.name for key in schema.KEYS.values() if key.is_secret]
        if any(config.origins.get(name) == str(source) and value_of(config, name) for name in inline):
            yield f"{source} holds secrets and everybody may read it: chmod 600 {source}"
