"""Types of fields that every feature's schemas share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, letter for letter as Postgres writes it in JSON: the two doors must not differ."""
    whole, dot, fraction = moment.astimezone(UTC).isoformat().removesuffix("+00:00").partition(".")
    return f"{whole}{dot}{fraction.rstrip('0')}+00:00"


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("NUL characters are not allowed")
    return text


Timestamp = Annotated[AwareDatetime, PlainSerializer(format_timestamp, return_type=str, when_used="json")]

Text = Annotated[str, AfterValidator(_without_nul)]
"""Text that Postgres can store."""


class Strict(BaseModel):
    """Input in which an unknown field is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")
