from __future__ import annotations

import pytest

from pcd.ghl.request import place, read, write
from pcd.ghl.versions import VERSIONS, version_of


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(("contacts", "abc"), "/contacts/abc", id="plain"),
        pytest.param(("contacts", "../locations"), "/contacts/..%2Flocations", id="no way out"),
        pytest.param(("contacts", "a?b#c"), "/contacts/a%3Fb%23c", id="no query"),
    ],
)
def test_id_is_one_part_of_the_path(parts: tuple[str, ...], expected: str) -> None:
    assert place(*parts) == expected


def test_empty_id_is_never_sent() -> None:
    """A PUT to /contacts/ would otherwise ask for something else."""
    with pytest.raises(ValueError, match="empty"):
        place("contacts", "")


def test_parameters_and_bodies_are_no_part_of_what_errors_say() -> None:
    asked = read("/contacts/search/duplicate", {"number": "+13055550100"}, low_priority=False)
    assert asked.what == "GET /contacts/search/duplicate"
    assert "3055550100" not in repr(
        write("POST", "/contacts/", {"phone": "+13055550100"}, low_priority=False)
    )


def test_every_resource_has_its_version() -> None:
    assert version_of("/contacts/search") == "2021-07-28"
    assert version_of("/conversations/messages") == "2021-04-15"
    assert set(VERSIONS.values()) == {"2021-07-28", "2021-04-15"}
