"""What pydantic finds wrong with input, as sentences that can be said in every language.

English stays as pydantic puts it. Its types of errors: https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from collections.abc import Mapping
from typing import Any

from api_main.core.i18n import Message, _

SENTENCES: Mapping[str, Message] = {
    "missing": _("Field required"),
    "extra_forbidden": _("Extra inputs are not permitted"),
    "string_type": _("Input should be a valid string"),
    "string_too_short": Message(
        "String should have at least {min_length} character", "String should have at least {min_length} characters"
    ),
    "string_too_long": Message(
        "String should have at most {max_length} character", "String should have at most {max_length} characters"
    ),
    "string_pattern_mismatch": _("String should match pattern '{pattern}'"),
    "string_unicode": _("Input should be a valid string, unable to parse raw data as a unicode string"),
    "int_type": _("Input should be a valid integer"),
    "int_parsing": _("Input should be a valid integer, unable to parse string as an integer"),
    "int_parsing_size": _("Unable to parse input string as an integer, exceeded maximum size"),
    "int_from_float": _("Input should be a valid integer, got a number with a fractional part"),
    "float_type": _("Input should be a valid number"),
    "float_parsing": _("Input should be a valid number, unable to parse string as a number"),
    "finite_number": _("Input should be a finite number"),
    "greater_than": _("Input should be greater than {gt}"),
    "greater_than_equal": _("Input should be greater than or equal to {ge}"),
    "less_than": _("Input should be less than {lt}"),
    "less_than_equal": _("Input should be less than or equal to {le}"),
    "bool_type": _("Input should be a valid boolean"),
    "bool_parsing": _("Input should be a valid boolean, unable to interpret input"),
    "bytes_type": _("Input should be a valid bytes"),
    "bytes_too_short": Message(
        "Data should have at least {min_length} byte", "Data should have at least {min_length} bytes"
    ),
    "bytes_too_long": Message(
        "Data should have at most {max_length} byte", "Data should have at most {max_length} bytes"
    ),
    "list_type": _("Input should be a valid list"),
    "dict_type": _("Input should be a valid dictionary"),
    "too_short": Message(
        "{field_type} should have at least {min_length} item after validation, not {actual_length}",
        "{field_type} should have at least {min_length} items after validation, not {actual_length}",
    ),
    "too_long": Message(
        "{field_type} should have at most {max_length} item after validation, not {actual_length}",
        "{field_type} should have at most {max_length} items after validation, not {actual_length}",
    ),
    "model_attributes_type": _("Input should be a valid dictionary or object to extract fields from"),
    "model_type": _("Input should be an object"),
    "literal_error": _("Input should be {expected}"),
    "enum": _("Input should be {expected}"),
    "union_tag_invalid": _(
        "Input tag '{tag}' found using {discriminator} does not match any of the expected tags: {expected_tags}"
    ),
    "union_tag_not_found": _("Unable to extract tag using discriminator {discriminator}"),
    "uuid_type": _("UUID input should be a string, bytes or UUID object"),
    "uuid_parsing": _("Input should be a valid UUID"),
    "datetime_type": _("Input should be a valid datetime"),
    "datetime_parsing": _("Input should be a valid datetime"),
    "datetime_from_date_parsing": _("Input should be a valid datetime or date"),
    "timezone_aware": _("Input should have timezone info"),
    "date_type": _("Input should be a valid date"),
    "date_parsing": _("Input should be a valid date"),
    "date_from_datetime_parsing": _("Input should be a valid date"),
    "date_from_datetime_inexact": _("Datetimes provided to dates should have zero time - e.g. be exact dates"),
}

FIELD_TYPES = (_("List"), _("Dictionary"))
COUNTED = ("min_length", "max_length")
"""The values that decide between singular and plural."""
INVALID_EMAIL = _("This is not a valid e-mail address")
VALUE_ERROR = "Value error, "


def message_of(fault: Mapping[str, Any]) -> str:
    """The sentence about a fault of `ValidationError.errors()`: its English is pydantic's, or a validator's own."""
    context: Mapping[str, Any] = fault.get("ctx") or {}
    raised = context.get("error")
    if isinstance(raised, Exception):  # a `ValueError` of one of our validators
        return raised.args[0] if raised.args and isinstance(raised.args[0], Message) else Message(_plain(fault))
    if fault["type"] == "value_error" and "reason" in context:
        return INVALID_EMAIL.saying(_plain(fault))
    sentence = SENTENCES.get(fault["type"])
    return Message(_plain(fault)) if sentence is None else _filled(sentence, context).saying(_plain(fault))


def _filled(sentence: Message, context: Mapping[str, Any]) -> Message:
    values = {name: _words(value) if name == "expected" else value for name, value in context.items()}
    if "field_type" in values:
        values["field_type"] = Message(values["field_type"])
    number = next((context[name] for name in COUNTED if name in context), 1)
    return sentence.counted(number, values) if sentence.msgid_plural else sentence.filled(values)


def _words(expected: str) -> Any:
    first, _or, last = expected.rpartition(" or ")
    return _("{first} or {last}", first=first, last=last) if first else last


def _plain(fault: Mapping[str, Any]) -> str:
    text: str = fault["msg"]
    return text.removeprefix(VALUE_ERROR)
