"""One request to GoHighLevel, before it is authorized and sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. *path* begins with ``/``; *is_write* says whether it changes anything over there.

    *low_priority* work waits for everybody else and stops first when the day's calls run out.
    """

    method: Method
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    is_write: bool
    low_priority: bool = False

    @property
    def what(self) -> str:
        """How errors name it; the parameters, which hold addresses and numbers, are left out."""
        return f"{self.method} {self.path}"


def read(path: str, params: Mapping[str, str] | None = None, *, low_priority: bool) -> Request:
    """Return the request that reads *path*."""
    return Request(method="GET", path=path, params=params or {}, is_write=False, low_priority=low_priority)


def search(path: str, body: object, *, low_priority: bool) -> Request:
    """Return the request that reads what *body* asks for."""
    return Request(method="POST", path=path, body=body, is_write=False, low_priority=low_priority)


def write(method: Method, path: str, body: object, *, low_priority: bool) -> Request:
    """Return the request that changes something at *path*."""
    return Request(method=method, path=path, body=body, is_write=True, low_priority=low_priority)


def place(*parts: str) -> str:
    """Return the path of *parts*, each escaped: an id is one part. Raises ValueError where one is ""."""
    if not all(parts):
        raise ValueError("an id is empty")
    return "/" + "/".join(quote(part, safe="") for part in parts)
