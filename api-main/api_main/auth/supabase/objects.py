"""Supabase Auth's sessions and users, as the `supabase` package gives them, in the form of our own answers."""

import time
from datetime import UTC, datetime

from supabase_auth.types import Session, User

from api_main.auth.service import EMAIL_PROVIDER, NewAccount
from api_main.auth.user_object import Tokens, UserObject

FIELDS = set(UserObject.model_fields) - {"identities"}


def to_tokens(session: Session) -> Tokens:
    """Raises:
    ValueError: it lacks what every session has.
    """
    return Tokens(
        access_token=session.access_token,
        expires_in=session.expires_in,
        expires_at=session.expires_at or int(time.time()) + session.expires_in,
        refresh_token=session.refresh_token,
        user=to_user_object(session.user),
    )


def to_user_object(user: User) -> UserObject:
    """Raises:
    ValueError: it lacks what every user has.
    """
    fields = user.model_dump(include=FIELDS)
    identities = [
        {
            **identity.model_dump(),
            "updated_at": identity.updated_at or identity.created_at,
            "email": identity.identity_data.get("email"),
        }
        for identity in user.identities or ()
    ]
    given = {"email": user.email or "", "phone": user.phone or "", "role": user.role or ""}
    updated = user.updated_at or user.created_at
    return UserObject.model_validate({**fields, **given, "updated_at": updated, "identities": identities})


def pending(user: User, form: NewAccount) -> UserObject:
    """Somebody who must confirm their e-mail: from what they said themselves, and no more.

    For an e-mail that has an account Supabase Auth makes a user up, but one without role and identities. In this
    form the two look alike.
    """
    now = datetime.now(UTC)
    return UserObject.model_validate(
        {
            "id": user.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": form.email,
            "app_metadata": EMAIL_PROVIDER,
            "user_metadata": form.metadata,
            "identities": [],
            "confirmation_sent_at": now,
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
        }
    )
