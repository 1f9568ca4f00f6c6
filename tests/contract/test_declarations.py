"""The declarations against ServiceTitan's OpenAPI documents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.contracts import SERVICETITAN, if_published

from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pcd.tables.spec import Column, Resource

_STEP_IN_SQL = re.compile(r"\bd->>?'(\w+)'")
_INACTIVE_PARAMETERS = {"active", "activeState", "includeInactive", "activeOnly"}

pytestmark = if_published


def each_resource() -> list[Any]:
    return [pytest.param(resource, id=resource.name) for resource in RESOURCES.values()]


def endpoints(resource: Resource) -> dict[str, Any]:
    """Return the contract's endpoints by kind; one file a resource, named with hyphens."""
    name = resource.name.replace("custom_fields", "custom_field_types").replace("_", "-")
    contract: dict[str, Any] = json.loads((SERVICETITAN / f"{name}.json").read_text(encoding="utf-8"))
    return {kind: it for kind, it in contract["endpoints"].items() if getattr(resource, kind) is not None}


def stored_shape(resource: Resource) -> dict[str, Any]:
    """Return the schema of the records that are stored: the export's where there is one."""
    found = endpoints(resource)
    shape: dict[str, Any] = (found.get("export") or found["list"])["item_schema"]
    return shape


def parameters(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    return {it["name"]: it for it in endpoint["params"] if it["in"] == "query"}


@pytest.mark.parametrize("resource", each_resource())
def test_every_projected_path_exists_upstream(resource: Resource) -> None:
    shape = stored_shape(resource)
    unknown = [
        ".".join(path) for column in resource.projected for path in _paths(column) if not _exists(shape, path)
    ]
    assert unknown == []


@pytest.mark.parametrize("resource", each_resource())
def test_every_known_value_is_one_of_the_documented_and_none_is_missing(resource: Resource) -> None:
    shape = stored_shape(resource)
    differing = {
        column.name: sorted(documented ^ column.known)
        for column in resource.projected
        if column.known
        and column.path
        and (documented := _enum(shape, column.path))
        and documented != column.known
    }
    assert differing == {}


@pytest.mark.parametrize("resource", each_resource())
def test_endpoints_are_the_documented_ones(resource: Resource) -> None:
    for kind, endpoint in endpoints(resource).items():
        assert getattr(resource, kind).path == endpoint["path"]
        assert endpoint["oauth_scopes"] == [resource.scope]


@pytest.mark.parametrize("resource", each_resource())
def test_inactive_records_are_asked_for_wherever_that_can_be_said(resource: Resource) -> None:
    """The list's default hides them, and so does one export's; each endpoint has its own spelling."""
    found = endpoints(resource)
    if resource.list is not None:
        known = parameters(found["list"])
        assert resource.list.inactive.keys() == known.keys() & _INACTIVE_PARAMETERS
        assert all(value in known[name]["enum"] for name, value in resource.list.inactive.items())
    if resource.export is not None:
        assert resource.export.params.keys() == parameters(found["export"]).keys() & _INACTIVE_PARAMETERS


@pytest.mark.parametrize("resource", [it for it in RESOURCES.values() if it.list], ids=lambda it: it.name)
def test_list_abilities_are_the_documented_ones(resource: Resource) -> None:
    endpoint = resource.list
    assert endpoint is not None
    known = parameters(endpoints(resource)["list"])
    assert endpoint.ids == ("ids" in known)
    assert endpoint.modified == ("modifiedOnOrAfter" in known)
    assert endpoint.needs_modified == (
        "must be specified" in known["modifiedOnOrAfter"].get("description", "")
    )
    assert not endpoint.sort or "sort" in known


@pytest.mark.parametrize("resource", each_resource())
def test_a_resource_without_an_export_has_a_list_and_so_a_way_to_be_read(resource: Resource) -> None:
    assert resource.export is not None or resource.list is not None


@pytest.mark.parametrize("resource", each_resource())
def test_documented_fields_are_those_of_the_contract(resource: Resource) -> None:
    documented = {name for it in endpoints(resource).values() for name in it["item_schema"]["properties"]}
    assert documented <= resource.documented
    assert resource.documented - documented <= {"active"}


def _paths(column: Column) -> Iterator[tuple[str, ...]]:
    if column.path:
        yield column.path
    for name in _STEP_IN_SQL.findall(column.sql):
        yield (name,)


def _exists(shape: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    return _at(shape, path) is not None


def _enum(shape: Mapping[str, Any], path: tuple[str, ...]) -> frozenset[str]:
    found = _at(shape, path) or {}
    return frozenset(found.get("enum", ()))


def _at(shape: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return the schema at *path*, references and ``or null`` resolved; None where there is nothing."""
    node: Mapping[str, Any] = shape
    for step in path:
        properties = _resolved(shape, node).get("properties", {})
        if step not in properties:
            return None
        node = properties[step]
    return _resolved(shape, node)


def _resolved(shape: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(5):
        options = [it for it in node.get("anyOf", node.get("oneOf", ())) if it.get("type") != "null"]
        if options:
            node = options[0]
        elif "$ref" in node:
            node = shape["$defs"][node["$ref"].rpartition("/")[2]]
    return node
