"""A row of `public.idempotency_keys`. Its functions and policies live in the SQL migration."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, LargeBinary
from sqlmodel import Field, SQLModel


class IdempotencyKey(SQLModel, table=True):
    """An answer that is kept. Nobody writes it through this model: see `idempotency/repository.py`."""

    __tablename__ = "idempotency_keys"

    owner_id: UUID = Field(primary_key=True, foreign_key="auth.users.id", ondelete="CASCADE")
    key_digest: bytes = Field(primary_key=True, sa_type=LargeBinary)
    request_digest: bytes = Field(sa_type=LargeBinary)
    answer: bytes = Field(sa_type=LargeBinary)
    is_sign_up: bool = False
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
