"""Issue tokens with the claims that Supabase Auth gives its own (https://supabase.com/docs/guides/auth/jwt-fields)."""

import time
from typing import Any

from api_main.auth.models import AuthSession, User
from api_main.auth.refresh_tokens import RefreshToken
from api_main.auth.schemas import Account, Tokens
from api_main.auth.signing import SigningKeys


class TokenIssuer:
    """Signs access tokens for sessions of ours."""

    def __init__(self, keys: SigningKeys, *, issuer: str, lifetime: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._lifetime = lifetime

    def issue(self, user: User, session: AuthSession) -> Tokens:
        """An access token, and the refresh token of the session's present count."""
        now = int(time.time())
        expires_at = now + self._lifetime
        return Tokens(
            access_token=self._keys.sign(self._claims(user, session, now, expires_at)),
            expires_in=self._lifetime,
            expires_at=expires_at,
            refresh_token=RefreshToken.issue(
                session.id, session.refresh_token_counter or 0, session.refresh_token_hmac_key or ""
            ),
            user=Account(id=user.id, email=user.email, role=user.role),
        )

    def _claims(self, user: User, session: AuthSession, now: int, expires_at: int) -> dict[str, Any]:
        signed_in_at = now if session.created_at is None else int(session.created_at.timestamp())
        return {
            "iss": self._issuer,
            "sub": str(user.id),
            "aud": user.aud,
            "exp": expires_at,
            "iat": now,
            "email": user.email or "",
            "phone": user.phone or "",
            "app_metadata": user.raw_app_meta_data or {},
            "user_metadata": user.raw_user_meta_data or {},
            "role": user.role,
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": signed_in_at}],
            "session_id": str(session.id),
            "is_anonymous": user.is_anonymous,
        }
