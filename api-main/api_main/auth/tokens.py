"""Issue tokens with the claims that Supabase Auth gives its own (https://supabase.com/docs/guides/auth/jwt-fields)."""

import time
from collections.abc import Iterable
from typing import Any

from api_main.auth.models import UserIdentity
from api_main.auth.refresh_tokens import RefreshToken
from api_main.auth.sessions import SignedIn
from api_main.auth.signing import SigningKeys
from api_main.auth.user_object import Tokens, user_object


class TokenIssuer:
    """Signs access tokens for sessions of ours."""

    def __init__(self, keys: SigningKeys, *, issuer: str, lifetime: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._lifetime = lifetime

    def issue(self, signed_in: SignedIn, identities: Iterable[UserIdentity]) -> Tokens:
        """An access token, and the refresh token of the session's present count."""
        now = int(time.time())
        session = signed_in.session
        return Tokens(
            access_token=self._keys.sign(self._claims(signed_in, now)),
            expires_in=self._lifetime,
            expires_at=now + self._lifetime,
            refresh_token=RefreshToken.issue(
                session.id, session.refresh_token_counter or 0, session.refresh_token_hmac_key or ""
            ),
            user=user_object(signed_in.user, identities),
        )

    def _claims(self, signed_in: SignedIn, now: int) -> dict[str, Any]:
        user, how = signed_in.user, signed_in.method
        return {
            "iss": self._issuer,
            "sub": str(user.id),
            "aud": user.aud,
            "exp": now + self._lifetime,
            "iat": now,
            "email": user.email or "",
            "phone": user.phone or "",
            "app_metadata": user.raw_app_meta_data or {},
            "user_metadata": user.raw_user_meta_data or {},
            "role": user.role,
            "aal": "aal1",
            "amr": [{"method": how.authentication_method, "timestamp": int(how.created_at.timestamp())}],
            "session_id": str(signed_in.session.id),
            "is_anonymous": user.is_anonymous,
        }
