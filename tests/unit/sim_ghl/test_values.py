"""What GoHighLevel makes of phones, tags and the values of custom fields."""

from __future__ import annotations

import pytest

from pcd.sim.ghl import values
from pcd.sim.ghl.records import CustomField


def field(data_type: str, *options: str, model: str = "contact") -> CustomField:
    return CustomField(id="f", key=f"{model}.f", name="F", model=model, data_type=data_type, options=options)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(202) 555-0101", "+12025550101"),
        ("+1 202-555-0101", "+12025550101"),
        ("202.555.0101 x12", "+12025550101"),
        ("+44 20 7946 0958", "+442079460958"),
        ("555-0101", None),
        ("none", None),
        ("", None),
    ],
)
def test_phone_becomes_e164(text: str, number: str | None) -> None:
    assert values.e164(text, country="US") == number


def test_tags_are_lower_case_and_each_there_once() -> None:
    assert values.tags(["VIP", " vip ", "", "Call Back"]) == ("vip", "call back")


@pytest.mark.parametrize(
    ("data_type", "value", "kept"),
    [
        ("TEXT", "x", "x"),
        ("TEXT", 12, "12"),
        ("TEXT", ["x"], None),
        ("SINGLE_OPTIONS", "Alder", "Alder"),
        ("SINGLE_OPTIONS", "alder", None),
        ("RADIO", "Alder ", None),
        ("MULTIPLE_OPTIONS", ["Alder", "Nobody"], ("Alder",)),
        ("MULTIPLE_OPTIONS", "Alder", ("Alder",)),
        ("CHECKBOX", ["Nobody"], None),
        ("NUMERICAL", "100", 100.0),
        ("MONETORY", 12.5, 12.5),
        ("NUMERICAL", "many", None),
    ],
)
def test_value_that_the_field_does_not_offer_is_dropped(data_type: str, value: object, kept: object) -> None:
    assert values.accepted(field(data_type, "Alder", "Birch"), value) == kept


@pytest.mark.parametrize("name", ["field_value", "fieldValue", "value"])
def test_values_are_merged_under_each_name_in_use(name: str) -> None:
    fields = {"f": field("TEXT")}
    assert values.merged({}, [{"id": "f", name: "x"}], fields=fields, model="contact") == {"f": "x"}
    assert values.merged({}, [{"key": "f", name: "x"}], fields=fields, model="contact") == {"f": "x"}
    assert values.merged({"f": "x"}, [{"id": "f", name: ""}], fields=fields, model="contact") == {}
    assert values.merged({"f": "x"}, [{"id": "f", name: "y"}], fields=fields, model="opportunity") == {
        "f": "x"
    }
