"""The simulator's answers, and our declarations, against ServiceTitan's own OpenAPI documents."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema
import orjson
import pytest
from support.contracts import SERVICETITAN, if_published

from pcd.sim.clock import SimClock
from pcd.sim.company import found
from pcd.sim.server import Simulator, serve
from pcd.sim.settings import SimSettings
from pcd.sim.store import Store
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.tables.spec import Resource

NOW = datetime(2026, 9, 4, 12, 0, 0, 123456, tzinfo=UTC)
NAMES = sorted(RESOURCES)
EXPORTED = [name for name in NAMES if RESOURCES[name].export]
LISTED = [name for name in NAMES if RESOURCES[name].list]

pytestmark = if_published


@functools.cache
def contract(name: str) -> dict[str, Any]:
    """Return the contract's endpoints of a resource."""
    file = name.replace("custom_fields_", "custom-field-types-").replace("_", "-")
    document = orjson.loads((SERVICETITAN / f"{file}.json").read_bytes())
    endpoints: dict[str, Any] = document["endpoints"]
    return endpoints


def check(body: bytes, *, name: str, kind: str) -> int:
    """Validate an answer, envelope and records; return how many records it has."""
    answer = orjson.loads(body)
    schema = contract(name)[kind]["envelope_schema"]
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(answer)]
    assert errors == []
    return len(answer["data"])


def example(name: str) -> dict[str, Any]:
    """Return the contract's example record, in the shape of the export where there is one."""
    endpoints = contract(name)
    record: dict[str, Any] = endpoints["export" if "export" in endpoints else "list"]["example_record"]
    return record


@asynccontextmanager
async def serving(store: Store) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """Serve *store* without faults; yield the URL and a session with credentials."""
    simulator = Simulator(store, settings=SimSettings(export_page_size=100_000))
    async with serve(simulator) as url:
        token = simulator.gate.tokens.issue(
            client_id="sim-client",
            tenant="1000",
            scopes=simulator.scopes,
            lifetime=timedelta(minutes=15),
        )
        headers = {"Authorization": f"Bearer {token}", "ST-App-Key": "sim-app-key"}
        async with aiohttp.ClientSession(headers=headers) as session:
            yield url, session


async def fetch(store: Store, *, path: str, **params: str) -> bytes:
    """Return the answer to one request."""
    async with (
        serving(store) as (url, session),
        session.get(url + path.replace("{tenant}", "1000"), params=params) as answer,
    ):
        assert answer.status == 200
        return await answer.read()


def with_example(name: str) -> Store:
    """Return a tenant whose only record is the contract's example, modified an hour ago."""
    store = Store(clock=SimClock(NOW, speed=0))
    store[name].put(example(name), modified_at=NOW - timedelta(hours=1))
    return store


@pytest.mark.asyncio
@pytest.mark.parametrize("name", EXPORTED)
async def test_export_of_the_documented_example_fits_the_contract(name: str) -> None:
    endpoint = RESOURCES[name].export
    assert endpoint is not None
    body = await fetch(with_example(name), path=endpoint.path, **endpoint.params)
    assert check(body, name=name, kind="export") == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("name", LISTED)
async def test_list_of_the_documented_example_fits_the_contract(name: str) -> None:
    endpoint = RESOURCES[name].list
    assert endpoint is not None
    since = {"modifiedOnOrAfter": "2020-01-01T00:00:00Z"}
    body = await fetch(with_example(name), path=endpoint.path, **endpoint.inactive, **since)
    assert check(body, name=name, kind="list") == 1


@functools.cache
def company() -> Store:
    """Return a small pool company at the end of its history."""
    store = Store(clock=SimClock(NOW, speed=0))
    found(store, seed=11, customers=25, years=2, now=NOW)
    return store


@pytest.mark.asyncio
@pytest.mark.parametrize("name", EXPORTED)
async def test_everything_the_company_exports_fits_the_contract(name: str) -> None:
    endpoint = RESOURCES[name].export
    assert endpoint is not None
    params = {**endpoint.params, "includeRecentChanges": "true"}
    body = await fetch(company(), path=endpoint.path, **params)
    assert check(body, name=name, kind="export") == len(company()[name]) > 0


@pytest.mark.asyncio
@pytest.mark.parametrize("name", LISTED)
async def test_everything_the_company_lists_fits_the_contract(name: str) -> None:
    endpoint = RESOURCES[name].list
    assert endpoint is not None
    params = {"modifiedOnOrAfter": "2000-01-01T00:00:00Z", "pageSize": "5000"}
    body = await fetch(company(), path=endpoint.path, **endpoint.inactive, **params)
    listed = sum(row.active or bool(endpoint.inactive) for row in company()[name].rows())
    assert check(body, name=name, kind="list") == listed > 0


@pytest.mark.parametrize("name", NAMES)
def test_declared_paths_and_scope_are_the_documented_ones(name: str) -> None:
    resource = RESOURCES[name]
    for kind, endpoint in _endpoints(resource):
        documented = contract(name)[kind]
        assert endpoint.path == documented["path"]
        assert documented["oauth_scopes"] == [resource.scope]


@pytest.mark.parametrize("name", NAMES)
def test_declared_parameters_exist(name: str) -> None:
    """An unknown parameter is silently ignored upstream, so that a slip here would lose records."""
    resource = RESOURCES[name]
    for kind, endpoint in _endpoints(resource):
        documented = {param["name"]: param for param in contract(name)[kind]["params"]}
        sent = endpoint.inactive if kind == "list" else endpoint.params
        for parameter, value in sent.items():
            assert value in documented[parameter].get("enum", [value])
        if resource.list is not None and endpoint is resource.list:
            switches = {"active", "activeState", "includeInactive", "activeOnly"} & documented.keys()
            assert set(endpoint.inactive) == switches
            assert endpoint.ids == ("ids" in documented)
            assert endpoint.modified == ("modifiedOnOrAfter" in documented)
            assert not endpoint.sort or "sort" in documented


def _endpoints(resource: Resource) -> list[tuple[str, Any]]:
    both = [("list", resource.list), ("export", resource.export)]
    return [(kind, endpoint) for kind, endpoint in both if endpoint is not None]
