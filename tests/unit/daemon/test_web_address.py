"""The address of the status page is one that can be opened."""

from __future__ import annotations

import pytest

from pcd.web.server import address_of


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:3001/"),
        ("0.0.0.0", "http://127.0.0.1:3001/"),
        ("::", "http://[::1]:3001/"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:3001/"),
    ],
)
def test_address_can_be_opened_here(host: str, expected: str) -> None:
    assert address_of(host, 3001) == expected
