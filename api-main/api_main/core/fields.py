"""Types of fields that every feature's schemas share."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, letter for letter as Postgres writes it in JSON: the two doors must not differ."""
    whole, dot, fraction = moment.astimezone(UTC).isoformat().removesuffix("+00:00").partition(".")
    return f"{whole}{dot}{fraction.rstrip('0')}+00:00"


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("NUL characters are not allowed")
    return text


def _written_out(value: Any) -> Any:
    """Pydantic would also take a number, as seconds or milliseconds since 1970: a guess at what was meant."""
    if isinstance(value, datetime) or (isinstance(value, str) and not _is_number(value)):
        return value
    raise ValueError("Write date, time and time zone, as in 2026-12-01T09:00:00+01:00")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("The year must lie between 1 and 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""A point in time as input: RFC 3339 with a time zone."""

Timestamp = Annotated[AwareDatetime, PlainSerializer(format_timestamp, return_type=str, when_used="json")]

WithoutNul = AfterValidator(_without_nul)
Text = Annotated[str, WithoutNul]
"""Text that Postgres can store."""


class Strict(BaseModel):
    """Input in which an unknown field is an error, not a silence. Nobody changes it: several requests may share it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
