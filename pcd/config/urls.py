"""Connection URLs: the password that holds an ``@``, and the same URL with the password hidden."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOSTS = re.compile(r"[^/@?#:]*(:[0-9]*)?(,[^/@?#:]*(:[0-9]*)?)*|(\[[0-9A-Fa-f:.%]+\](:[0-9]*)?,?)+")
_HIDDEN_PARAMETER = re.compile(r"([?&][^=&]*(?:password|token|secret|key)[^=&]*=)[^&#]*", re.IGNORECASE)
MASK = "***"


def scheme_of(url: str) -> str:
    """Return the scheme in lower case, "" when *url* has none."""
    found = _SCHEME.fullmatch(url)
    return found.group(1).lower() if found else ""


def normalise(url: str) -> str:
    """Return *url* with user and password percent-encoded, whatever characters they came with.

    The last ``@`` before the host separates, so that a password may hold an unescaped ``@``, ``:``,
    ``/``, ``?`` or ``#``. What is percent-encoded already stays as it means; a ``%`` that begins no
    escape is taken literally. Without a user the URL is returned as it is.
    """
    found = _SCHEME.fullmatch(url)
    if found is None:
        return url
    scheme, rest = found.groups()
    credentials, at, where = _split(rest)
    if not at:
        return url
    user, colon, password = credentials.partition(":")
    return f"{scheme}://{_encode(user)}{colon}{_encode(password)}@{where}"


def mask(url: str) -> str:
    """Return *url* fit for people's eyes: its password, and parameters that sound secret, replaced."""
    found = _SCHEME.fullmatch(url)
    if found is None:
        return MASK if "@" in url else url
    scheme, rest = found.groups()
    credentials, at, where = _split(rest)
    user, colon, _ = credentials.partition(":")
    hidden = f":{MASK}" if colon else ""
    shown = f"{_encode(user)}{hidden}@{where}" if at else rest
    return f"{scheme}://{_HIDDEN_PARAMETER.sub(_hide, shown)}"


def has_readable_hosts(url: str) -> bool:
    """Whether what stands between the credentials and the path is a list of hosts and ports."""
    found = _SCHEME.fullmatch(url)
    if found is None:
        return False
    hosts = re.split(r"[/?#]", _split(found.group(2))[2], maxsplit=1)[0]
    return _HOSTS.fullmatch(hosts) is not None and all(
        int(port) < 65536 for port in re.findall(r":([0-9]+)(?=,|$)", hosts)
    )


def _hide(parameter: re.Match[str]) -> str:
    return parameter.group(1) + MASK


def _split(rest: str) -> tuple[str, str, str]:
    """Split what follows ``scheme://`` into credentials, ``"@"`` or "", and host with all after it."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        credentials, at, host = authority.rpartition("@")
        return credentials, at, host + rest[len(authority) :]
    if "@" in rest and _HOSTS.fullmatch(authority) is None:
        # "user:pa/ss@host": what looks like a port is none, so the password holds the delimiter.
        return rest.rpartition("@")
    return "", "", rest


def _encode(text: str) -> str:
    return quote(unquote(text), safe="")
