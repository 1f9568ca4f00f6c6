"""Connection URLs: made for a socket, and split for programs that take the password elsewhere.

Repairing and masking what people write is `pcd.config.urls`.
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit


def socket_url(*, folder: str, user: str, database: str, port: int = 5432) -> str:
    """Return the URL of a server that listens on a Unix socket in *folder*."""
    who, what, where = (quote(text, safe="") for text in (user, database, folder))
    return f"postgresql://{who}@/{what}?host={where}&port={port}"


def place(url: str) -> str:
    """Return where *url* leads, for people: host and port, or the folder of a socket."""
    parts = urlsplit(url)
    found = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", ["localhost"])[0]
    return unquote(found)


def split_password(url: str) -> tuple[str, str]:
    """Return *url* without its password, and the password in clear ("" where there is none).

    For programs whose arguments every user of the machine can read.
    """
    parts = urlsplit(url)
    if not parts.password:
        return url, ""
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}")), unquote(parts.password)
