"""The one form of every answer: `{"success": true, "data": …}` or `{"success": false, "error": …}`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, PlainSerializer
from pydantic_core import to_json

from api_main.core.errors import ApiError
from api_main.core.fields import Timestamp
from api_main.core.i18n import say, say_all
from service_wire import tracing

T = TypeVar("T")

Said = Annotated[str | None, PlainSerializer(lambda text: None if text is None else say(text), return_type=str | None)]
"""A sentence for people, which goes out in their language."""


class Success(BaseModel, Generic[T]):
    """One thing."""

    success: Literal[True] = True
    data: T
    message: Said = None


class Meta(BaseModel):
    limit: int = Field(description="How many were asked for")
    total: int | None = Field(default=None, description="How many there are in all, where `include_total` asked")
    next_cursor: str | None = Field(default=None, description="Where the next page begins; null on the last")


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    success: Literal[True] = True
    data: list[T]
    message: Said = None
    meta: Meta


class ErrorInfo(BaseModel):
    code: str = Field(description="Stable, for programs")
    message: str = Field(description="One sentence for people")
    field: str | None = Field(default=None, description="The input at fault, as a dotted path")
    details: Any = Field(default=None, description="More, depending on the code")
    request_id: str = Field(description="The X-Request-ID of this request, for the support")
    trace_id: str | None = Field(
        default=None, description="Its trace, in 32 hexadecimal digits, where requests are traced"
    )
    timestamp: Timestamp


class Failure(BaseModel):
    """What every error looks like."""

    success: Literal[False] = False
    error: ErrorInfo


def failure(error: ApiError, request_id: str) -> Failure:
    return Failure(
        error=ErrorInfo(
            code=error.code,
            message=say(error.message, instead=type(error).message),
            field=error.field,
            details=say_all(error.details),
            request_id=request_id,
            trace_id=tracing.trace_id(),
            timestamp=datetime.now(UTC),
        )
    )


def success_body(item: bytes) -> bytes:
    """A `Success` around JSON that Postgres has built."""
    return b'{"success":true,"data":%b,"message":null}' % item


def page_body(items: Iterable[bytes], meta: Meta) -> bytes:
    """A `Page` around JSON that Postgres has built."""
    return b'{"success":true,"data":[%b],"message":null,"meta":%b}' % (b",".join(items), to_json(meta))
