"""Security events: a line of structured log each, with request id and address, never with a secret."""

from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog

from api_main.core.metrics import SECURITY_EVENTS

log = structlog.get_logger("security")


class SecurityEvent(StrEnum):
    REGISTERED = "registered"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    LOCKED_OUT = "locked_out"
    REFRESHED = "refreshed"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - the name of an event
    SIGNED_OUT = "signed_out"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_BANNED = "account_banned"
    ACCOUNT_DELETED = "account_deleted"
    MAIL_REQUESTED = "mail_requested"
    LINK_REDEEMED = "link_redeemed"
    API_TOKEN_CREATED = "api_token_created"  # noqa: S105
    API_TOKEN_REVOKED = "api_token_revoked"  # noqa: S105
    TOKEN_REFUSED = "token_refused"  # noqa: S105


def record(event: SecurityEvent, *, subject: UUID | None = None, **facts: Any) -> None:
    """Log an event. `facts` are for people who search the log: a reason, a session, a hashed e-mail."""
    SECURITY_EVENTS.labels(event.value).inc()
    log.info(event.value, security=True, subject=None if subject is None else str(subject), **facts)
