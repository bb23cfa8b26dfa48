"""What goes over a WebSocket, in both directions: JSON, one message each. docs/live.md documents it for clients."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from api_main.core.errors import ApiError, BadRequest, ValidationFailed
from api_main.core.fields import Strict, Text
from api_main.core.i18n import say
from api_main.core.validation_messages import message_of
from api_main.events.feed import LARGEST_ID, MANY_CHANGES, Event

PRESENCE = "presence:"

Reference = Annotated[Text | None, Field(max_length=64)]
Channel = Annotated[Text, Field(pattern=r"^(tasks|jobs|presence:.{1,100})$")]


class Authenticate(Strict):
    """The first message, unless the token came as a subprotocol; and later ones, to go on with a fresh token."""

    type: Literal["authenticate"]
    token: Text = Field(max_length=16 * 1024)
    ref: Reference = None


class Subscribe(Strict):
    type: Literal["subscribe"]
    channel: Channel
    after: int | None = Field(default=None, ge=0, le=LARGEST_ID, strict=True)
    ref: Reference = None


class Unsubscribe(Strict):
    type: Literal["unsubscribe"]
    channel: Channel
    ref: Reference = None


class Ping(Strict):
    type: Literal["ping"]
    ref: Reference = None


ClientMessage = Authenticate | Subscribe | Unsubscribe | Ping

_client_messages: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def parse(text: str) -> ClientMessage:
    """A message of a client's.

    Raises:
        BadRequest: it is no JSON.
        ValidationFailed
    """
    try:
        return _client_messages.validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        if fault["type"] == "json_invalid":
            raise BadRequest("The message is not valid JSON.") from None
        # The first part of the place is the kind of message.
        place = ".".join(str(part) for part in fault["loc"][1:]) or "type"
        raise ValidationFailed(message_of(dict(fault)), field=place) from None


def write(kind: str, ref: str | None = None, **values: Any) -> str:
    """A message of ours; with the reference of the one that it answers."""
    message = {"type": kind, **values}
    return json.dumps(message if ref is None else {**message, "ref": ref}, separators=(",", ":"))


def write_error(error: ApiError, ref: str | None = None) -> str:
    return write(
        "error", ref, code=error.code, message=say(error.message, instead=type(error).message), field=error.field
    )


def write_event(event: Event, noun: str) -> str:
    """An event around a row that Postgres has written as JSON."""
    if event.subject is None:
        return write("reset", channel=event.topic, id=event.id, reason=MANY_CHANGES)
    row = "null" if event.row is None else event.row.decode()
    about = f'"type":"{noun}.{event.change}","channel":"{event.topic}","id":{event.id}'
    return f'{{{about},"subject":"{event.subject}","{noun}":{row}}}'
