"""Probes of real and of broken systems."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from support.hooks import hooks

from pcd.clock import Clock
from pcd.config import Probe, Url
from pcd.health.prober import Prober

if TYPE_CHECKING:
    from pcd.health.check import Measurement

pytestmark = pytest.mark.asyncio


def probe(kind: str, target: str, *, name: str = "it", seconds: float = 2.0) -> Probe:
    return Probe(name=name, kind=kind, target=Url(target), timeout=timedelta(seconds=seconds))


async def look(*probes: Probe) -> dict[str, Measurement]:
    return await Prober(probes, Clock()).look()


async def test_answering_systems_are_well(database_url: str) -> None:
    async with hooks() as server:
        port = server.url.rpartition(":")[2]
        found = await look(
            probe("http", f"{server.url}/healthz", name="n8n"),
            probe("tcp", f"127.0.0.1:{port}", name="mongodb"),
            probe("postgres", database_url, name="pricebook"),
        )
    assert {name: each.value for name, each in found.items()} == {"n8n": 0, "mongodb": 0, "pricebook": 0}
    assert all("answers in" in each.text for each in found.values())


@pytest.mark.parametrize(
    ("kind", "target", "text"),
    [
        pytest.param("http", "http://127.0.0.1:1/healthz", "connection refused", id="nobody there"),
        pytest.param("tcp", "127.0.0.1:1", "connection refused", id="closed port"),
        pytest.param("postgres", "postgresql://u:hunter22@127.0.0.1:1/x", "does not answer", id="no server"),
        pytest.param("redis", "redis://:hunter22@127.0.0.1:1", "cannot be reached", id="no redis"),
        pytest.param("postgres", "postgresql://u:hunter22@a..b/x", "no name that", id="a name with a gap"),
        pytest.param("tcp", "\udcff:80", "cannot be understood", id="name that is no text"),
        pytest.param("redis", "redis://:hunter22@a:x", "cannot be understood", id="port that is no number"),
    ],
)
async def test_absent_system_is_named_without_its_secrets(kind: str, target: str, text: str) -> None:
    found = (await look(probe(kind, target)))["it"]
    assert found.value == 1
    assert text in found.text
    assert "hunter22" not in found.text


async def test_bad_status_is_trouble() -> None:
    async with hooks() as server:
        server.statuses = [503]
        found = await look(probe("http", server.url))
    assert found["it"].text == "answers with status 503"


async def test_hanging_systems_hold_up_nobody() -> None:
    """Forty probes that hang and one that answers: bounded, and each on its own."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    kinds = {
        "http": f"http://127.0.0.1:{port}/",
        "postgres": f"postgresql://u@127.0.0.1:{port}/x?sslmode=disable",
        "redis": f"redis://127.0.0.1:{port}",
    }
    probes = [
        probe(kind, target, name=f"{kind} {number}", seconds=0.2)
        for kind, target in kinds.items()
        for number in range(8)
    ]
    async with listener, hooks() as server:
        with anyio.fail_after(20):
            found = await look(*probes, probe("http", server.url, name="well"))
    assert found.pop("well").value == 0
    assert len(found) == 24
    assert all(each.value == 1 for each in found.values())


async def test_system_that_talks_nonsense_is_trouble() -> None:
    async def babble(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send(b"\x00\xff" * 500 + b"\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, babble)
        found = await look(
            probe("http", f"http://127.0.0.1:{port}/", name="http"),
            probe("redis", f"redis://127.0.0.1:{port}", name="redis"),
        )
        group.cancel_scope.cancel()
    assert [each.value for each in found.values()] == [1, 1]
