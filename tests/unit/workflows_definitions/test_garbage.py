"""Whatever a definition holds, it becomes a workflow or an error that names its problems."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pcd.actions import CATALOGUE
from pcd.errors import DefinitionError
from pcd.messages import compose
from pcd.workflows.decode import decode
from pcd.workflows.loader import built_in, from_row, from_toml
from pcd.workflows.validate import Known, validate

KNOWN = Known(actions=CATALOGUE, facts_in=lambda text: compose.parse(text).facts, templates={})
WHOLE = [json.loads(json.dumps(read().document)) for _, read in built_in()]
_words = st.sampled_from(
    [
        "",
        "name",
        "estimate_created",
        "estimate.total",
        "1 day",
        "a == 1",
        "{x",
        "09:00",
        "send_sms",
        "end",
        "mon",
    ]
)
_leaves = (
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False) | st.text(max_size=9)
)
_trees = st.recursive(
    _leaves | _words,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_words | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(tree: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - a tree of any shape
    """Return the way to every value in *tree*."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [way, *(found for key, value in inner for found in places(value, (*way, key)))]


def replaced(tree: Any, way: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 - a tree of any shape
    """Return a copy of *tree* with another value at the end of *way*."""
    if not way:
        return value
    found = copy.deepcopy(tree)
    place = found
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    return found


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_one_broken_value_is_an_error_or_another_workflow(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(WHOLE))
    way = data.draw(st.sampled_from(places(document)[1:]))
    broken = replaced(document, way, data.draw(_trees))
    with suppress(DefinitionError):
        workflow = decode(broken, source="test")
        validate(workflow, KNOWN)
        assert decode(json.loads(json.dumps(workflow.document)), source="test") == workflow


@given(st.dictionaries(st.sampled_from(["name", "trigger", "steps", "stop", "business_hours"]), _trees))
@settings(max_examples=100, deadline=None)
def test_anything_at_all_is_an_error_with_problems(document: dict[str, Any]) -> None:
    with suppress(DefinitionError):
        validate(decode(document, source="test"), KNOWN)


@given(_trees, _trees, _trees, st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_row_is_an_error_or_a_workflow(
    conditions: object, stops: object, steps: object, event: str
) -> None:
    row = {
        "id": None,
        "name": "Old",
        "description": None,
        "trigger_event": event or "job_completed",
        "trigger_conditions": json.dumps(conditions),
        "stop_conditions": json.dumps(stops),
        "steps": json.dumps(steps),
        "enabled": None,
        "max_concurrent_per_customer": None,
        "priority": 1,
    }
    with suppress(DefinitionError):
        from_row(row)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_file_is_an_error(content: bytes) -> None:
    with suppress(DefinitionError):
        from_toml(content, source="test")
