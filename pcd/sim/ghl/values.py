"""Values as GoHighLevel keeps them: phones, tags, and those of custom fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pcd.sim.ghl.records import CustomField, FieldValue

_CHOSEN_ONE = frozenset({"SINGLE_OPTIONS", "RADIO"})
_CHOSEN_MANY = frozenset({"MULTIPLE_OPTIONS", "CHECKBOX"})
_NUMBERS = frozenset({"NUMERICAL", "MONETORY"})
_SENT_AS = ("field_value", "fieldValue", "value")


def e164(text: str, *, country: str) -> str | None:
    """Return *text* as E.164, None where it cannot be a phone number; the extension is lost.

    Source: integrators' reports: numbers are kept as E.164. What becomes of an extension is a guess.
    """
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:  # one without its area code is not
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def tags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return *texts* in lower case, without blanks around, each once."""
    return tuple(dict.fromkeys(text.strip().lower() for text in texts if text.strip()))


def merged(
    held: Mapping[str, FieldValue],
    sent: Sequence[Mapping[str, Any]],
    *,
    fields: Mapping[str, CustomField],
    model: str,
) -> dict[str, FieldValue]:
    """Return the values in *held* with those *sent* by id or key; null and ``""`` take one away.

    A value that the field does not offer, and a field that the *model* does not have, is dropped
    without a word.
    """
    values = dict(held)
    keys = {field.key: field.id for field in fields.values()}
    for item in sent:
        field_id = str(item.get("id") or keys.get(_full_key(str(item.get("key", "")), model), ""))
        field = fields.get(field_id)
        name = next((name for name in _SENT_AS if name in item), None)
        if field is None or field.model != model or name is None:
            continue
        if item[name] in (None, "", []):
            values.pop(field_id, None)
            continue
        kept = accepted(field, item[name])
        if kept is not None:
            values[field_id] = kept
    return values


def accepted(field: CustomField, value: Any) -> FieldValue | None:  # noqa: ANN401 - JSON
    """Return *value* as *field* keeps it, None where it is silently dropped.

    Source: an integrator's report (an option that there is not); the other kinds are guesses.
    """
    if field.data_type in _CHOSEN_ONE:
        return cast("str", value) if value in field.options else None
    if field.data_type in _CHOSEN_MANY:
        chosen = value if isinstance(value, list) else [value]
        kept = tuple(one for one in chosen if one in field.options)
        return kept or None
    if field.data_type in _NUMBERS:
        return _number(value)
    if isinstance(value, str):
        return value
    return None if isinstance(value, list | dict) else str(value)


def _number(value: Any) -> float | None:  # noqa: ANN401 - JSON
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _full_key(key: str, model: str) -> str:
    return key if key.startswith(f"{model}.") or not key else f"{model}.{key}"
