"""Names, phones and e-mails as they are compared and sent."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcd.crm import normalize

# The first number that is read takes as long as reading the tables of all countries.
LOOK = settings(deadline=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("(239) 555-0142", "+12395550142", id="as ServiceTitan shows it"),
        pytest.param("2395550142", "+12395550142", id="ten digits"),
        pytest.param("1-239-555-0142", "+12395550142", id="with a leading one"),
        pytest.param("+1 239.555.0142", "+12395550142", id="with its country"),
        pytest.param("239-555-0142 x12", "+12395550142", id="with an extension"),
        pytest.param("+44 20 7946 0958", "+442079460958", id="of another country"),
        pytest.param("555-0142", None, id="seven digits"),
        pytest.param("000-000-0000", None, id="zeros"),
        pytest.param("123-456-7890", None, id="no such area"),
        pytest.param("none", None, id="a word"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="null"),
        pytest.param("+", None, id="a plus"),
        pytest.param("2395550142" * 9, None, id="far too long"),
        pytest.param("٢٣٩٥٥٥٠١٤٢", "+12395550142", id="other digits"),
    ],
)
def test_phone_is_e164_or_none(text: str | None, expected: str | None) -> None:
    assert normalize.e164(text, "US") == expected


def test_number_without_a_country_is_of_the_accounts() -> None:
    assert normalize.e164("020 7946 0958", "GB") == "+442079460958"
    assert normalize.e164("020 7946 0958", "US") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(" Rosa@Example.COM ", "rosa@example.com", id="case and edges"),
        pytest.param("rosa.f+pool@mail.example.co", "rosa.f+pool@mail.example.co", id="dots and a plus"),
        pytest.param("rosa field@example.com", None, id="a space"),
        pytest.param("rosa@exa mple.com", None, id="a space behind"),
        pytest.param("rosa@example", None, id="no top-level domain"),
        pytest.param("rosa@@example.com", None, id="two signs"),
        pytest.param("rosa", None, id="no sign"),
        pytest.param("@example.com", None, id="nobody"),
        pytest.param("rosa.@example.com", None, id="dot before the sign"),
        pytest.param("rosa@-example.com", None, id="hyphen first"),
        pytest.param("a@b.com; c@d.com", None, id="two addresses"),
        pytest.param("a" * 250 + "@example.com", None, id="too long"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="null"),
    ],
)
def test_email_is_lower_case_or_none(text: str | None, expected: str | None) -> None:
    assert normalize.email(text) == expected


@pytest.mark.parametrize(
    ("whole", "kind", "first", "last"),
    [
        pytest.param("Rosa Field", "Residential", "Rosa", "Field", id="two words"),
        pytest.param("Rosa M. Field", None, "Rosa M.", "Field", id="three words"),
        pytest.param("Field, Rosa", "Residential", "Rosa", "Field", id="turned round"),
        pytest.param("Rosa", "Residential", "Rosa", "", id="one word"),
        pytest.param("Field Pools, LLC", "Commercial", "Field Pools, LLC", "", id="company"),
        pytest.param("A, B, C", "Residential", "A, B,", "C", id="more than one comma"),
        pytest.param("Field,", "Residential", "Field,", "", id="comma without more"),
        pytest.param("", None, "", "", id="none"),
        pytest.param(" Rosa \n\t Field\x00 ", None, "Rosa", "Field", id="white space and controls"),
        pytest.param("Zoe\u0308 Field", None, "Zoë", "Field", id="composed"),
    ],
)
def test_name_has_its_parts(whole: str, kind: str | None, first: str, last: str) -> None:
    found = normalize.name(whole, kind=kind)
    assert (found.first, found.last) == (first, last)
    assert found.whole == f"{first} {last}".strip()


def test_parts_that_are_known_win() -> None:
    assert normalize.name("Field Family", first="Rosa", last="Field") == ("Rosa Field", "Rosa", "Field")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("USA", "US"), ("us", "US"), ("Canada", "CA"), ("Florida", ""), ("", ""), ("GB", "GB")],
)
def test_country_is_two_letters_or_nothing(text: str, expected: str) -> None:
    assert normalize.country(text) == expected


def test_sign_is_not_cut_in_two() -> None:
    family = "👩\u200d👩\u200d👧"
    assert normalize.shorten(f"ab{family}", 5) == "ab👩…"
    assert normalize.shorten("abe\u0301xyz", 4) == "ab…"


@LOOK
@given(st.text(max_size=400), st.integers(1, 300))
def test_short_text_stays_and_long_one_fits(text: str, most: int) -> None:
    found = normalize.shorten(text, most)
    assert len(found) <= most
    assert found == text or found.endswith("…")


@LOOK
@given(st.text(max_size=80))
def test_anything_becomes_a_name_that_can_be_sent(text: str) -> None:
    found = normalize.name(text)
    assert found.whole.encode().decode() == found.whole
    assert not any(unicodedata.category(each) in {"Cc", "Cs"} for each in found.whole)


@LOOK
@given(st.text(max_size=40))
def test_anything_is_a_phone_and_an_email_or_none(text: str) -> None:
    phone, email = normalize.e164(text, "US"), normalize.email(text)
    assert phone is None or normalize.e164(phone, "US") == phone
    assert email is None or normalize.email(email) == email
