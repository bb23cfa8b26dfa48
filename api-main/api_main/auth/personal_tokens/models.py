"""A row of `public.api_tokens`. No API role may read the digest: load it never."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Column, DateTime, FetchedValue, Text
from sqlmodel import Field, SQLModel

MOMENT = DateTime(timezone=True)


class ApiToken(SQLModel, table=True):
    """A personal access token, as its owner sees it."""

    __tablename__ = "api_tokens"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="auth.users.id", sa_column_kwargs={"server_default": FetchedValue()})
    name: str = Field(sa_type=Text)
    scopes: list[str] = Field(sa_type=ARRAY(Text))
    hint: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text)
    expires_at: datetime | None = Field(default=None, sa_type=MOMENT)
    last_used_at: datetime | None = Field(sa_column=Column(MOMENT, server_default=FetchedValue()))
    created_at: datetime = Field(sa_column=Column(MOMENT, nullable=False, server_default=FetchedValue()))
