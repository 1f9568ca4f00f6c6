"""Say what is wrong with the settings, and what a refusal means for them. Pure.

No text ever holds a secret; keys are named as the configuration and the environment name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcd.config import ServiceTitanConfig

TOKEN_PATH = "/connect/token"  # noqa: S105 - a path

_VARIABLES = {
    "tenant_id": "SERVICE_TITAN_TENANT_ID",
    "client_id": "SERVICE_TITAN_CLIENT_ID",
    "client_secret": "SERVICE_TITAN_CLIENT_SECRET",
    "app_key": "SERVICE_TITAN_APP_KEY",
    "api_url": "PCD_SERVICETITAN__API_URL",
    "auth_url": "PCD_SERVICETITAN__AUTH_URL",
}


def key(name: str) -> str:
    """Return how people find the setting *name*: its key and its environment variable."""
    return f"servicetitan.{name} ({_VARIABLES[name]})"


def vet(settings: ServiceTitanConfig) -> tuple[str, ...]:
    """Return what is wrong with *settings* as far as can be seen without asking; empty when nothing is."""
    return tuple(_faults(settings))


def hint(settings: ServiceTitanConfig) -> str:
    """Return what about the environments might explain a refusal of the credentials."""
    api, auth = _is_integration(settings.api_url), _is_integration(settings.auth_url)
    if api != auth:
        names = ("the integration environment", "production")
        return (
            f"{key('api_url')} is {names[not api]} but {key('auth_url')} is {names[not auth]};"
            " both must be the same"
        )
    other = "production" if auth else "the integration environment"
    return f"credentials of {other} are refused at {_host(settings.auth_url)}"


def token_refusal(settings: ServiceTitanConfig, *, status: int, said: str) -> str:
    """Return what to look at when the token endpoint answered *status* and *said* something."""
    text = f"The token endpoint {token_url(settings.auth_url)} answered {status}"
    text += f", {said}" if said else ""
    if said == "invalid_client":
        return f"{text}: see {key('client_id')} and {key('client_secret')}; {hint(settings)}"
    if status in {404, 405} or 300 <= status < 400:
        return f"{text}: see {key('auth_url')}"
    return f"{text}: see {key('client_id')}, {key('client_secret')} and {key('auth_url')}; {hint(settings)}"


def call_refusal(settings: ServiceTitanConfig, *, said: str) -> str:
    """Return what to look at when a call was refused (401) although its token is new."""
    return (
        f"{said}, though the token is new: see {key('app_key')}, and whether the app is connected to"
        f" tenant {settings.tenant_id}, {key('tenant_id')}; {hint(settings)}"
    )


def token_url(auth_url: str) -> str:
    """Return the address of the token endpoint; *auth_url* may be just its host."""
    return auth_url if urlsplit(auth_url).path.strip("/") else auth_url.rstrip("/") + TOKEN_PATH


def _faults(settings: ServiceTitanConfig) -> Iterator[str]:
    values = {
        "tenant_id": str(settings.tenant_id),
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.reveal(),
        "app_key": settings.app_key.reveal(),
    }
    if missing := [key(name) for name, value in values.items() if not value]:
        yield f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
    for name, value in values.items():
        if not all("!" <= character <= "~" for character in value):
            yield f"{key(name)} holds a blank, a line break or an odd character: pasted with too much?"
        elif name == "tenant_id" and value and not value.isdigit():
            yield f"{key(name)} is {value!r}, expected digits"
    for name, url in (("api_url", settings.api_url), ("auth_url", settings.auth_url)):
        if urlsplit(url).scheme not in {"http", "https"} or not _host(url):
            yield f"{key(name)} is {url!r}, expected something like https://host"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_integration(url: str) -> bool:
    return "integration" in _host(url)
