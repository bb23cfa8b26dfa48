"""What goes over the wire about personal access tokens."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api_main.auth.scopes import Scope
from api_main.core.fields import Strict, Text, Timestamp


def _in_future(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return moment


Name = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class TokenForm(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Backup script", "scopes": ["tasks:read"]}]})

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_future)] | None = None


class TokenRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    scopes: list[Scope]
    hint: str = Field(description="The end of the token, to tell it from others")
    expires_at: Timestamp | None
    last_used_at: Timestamp | None = Field(description="To the minute")
    created_at: Timestamp


class TokenCreated(TokenRead):
    token: str = Field(description="Use it as `Authorization: Bearer …`. It is shown this once")
