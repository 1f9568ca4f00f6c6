from __future__ import annotations

import pytest

from pcd.db.url import socket_url, split_password


def test_a_socket_url_is_percent_encoded() -> None:
    found = socket_url(folder="/var/lib/a b", user="p@d", database="pcd")
    assert found == "postgresql://p%40d@/pcd?host=%2Fvar%2Flib%2Fa%20b&port=5432"


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://u:p%40ss@host:5432/db", "postgresql://u@host:5432/db", "p@ss"),
        ("postgresql://u@host/db?sslmode=require", "postgresql://u@host/db?sslmode=require", ""),
        ("postgresql://pcd@/pcd?host=%2Frun", "postgresql://pcd@/pcd?host=%2Frun", ""),
        ("postgresql://u:secret@/db?host=%2Frun", "postgresql://u@/db?host=%2Frun", "secret"),
    ],
    ids=["encoded", "no password", "socket", "socket with password"],
)
def test_the_password_is_taken_out(url: str, bare: str, password: str) -> None:
    assert split_password(url) == (bare, password)
