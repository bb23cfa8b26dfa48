"""What goes over the wire about the audit log."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from api_main.core.fields import Moment, Strict, Text, Timestamp
from api_main.core.pagination import CursorText, Limit

Action = Annotated[str, Field(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,40}$", examples=["superuser.granted"])]


class Somebody(BaseModel):
    """An account; one that is deleted has no e-mail any more."""

    id: UUID
    email: str | None


class EntryRead(BaseModel):
    id: UUID
    happened_at: Timestamp
    action: str = Field(description="What was done; docs/administration.md lists them")
    actor: Somebody | None = Field(description="Who did it; null: nobody who was signed in to this API")
    actor_role: str = Field(description="As which role: that of the token, or else that of the database")
    token_id: UUID | None = Field(description="The personal access token that was used, if it was one")
    subject: Somebody | None = Field(description="To whom; null: to nobody, or to many")
    details: dict[str, JsonValue] = Field(description="What changed, without secrets")
    request_id: str | None = Field(description="The X-Request-ID of the request, or the job, that did it")


class EntryQuery(Strict):
    """Which entries. Actions are alternatives; different filters must all hold."""

    action: list[Action] = Field(default=[], max_length=20, description="One of these was done")
    actor: UUID | None = Field(default=None, description="Done by this account")
    subject: UUID | None = Field(default=None, description="Done to this account")
    request_id: Annotated[Text, Field(max_length=128)] | None = Field(default=None, description="In this request")
    after: Moment | None = Field(default=None, description="At this moment or later")
    before: Moment | None = Field(default=None, description="Earlier than this")
    sort: Literal["happened", "-happened"] = Field(default="-happened", description="`-` for the newest first")
    limit: Limit = 50
    cursor: CursorText = None
