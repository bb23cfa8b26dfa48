"""A Supabase project as it is seen from outside: its keys, its tokens, and Supabase Auth's answers on the wire."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from api_main.auth.generate import generate_signing_key
from api_main.auth.signing import SigningKeys

URL = "https://project.supabase.test"
AUTH = f"{URL}/auth/v1"
PUBLISHABLE_KEY = "sb_publishable_of-the-test"
SECRET_KEY = "sb_secret_of-the-test"
SIGNING_KEY = generate_signing_key()

Json = dict[str, Any]


def jwks(*keys: Any) -> Json:
    """The key set of these keys, public parts only."""
    entries = [SigningKeys.parse(json.dumps(key)).jwks["keys"][0] for key in keys]
    return {"keys": entries}


def token(subject: UUID, session: UUID | None, *, key: Any = SIGNING_KEY, **changes: Any) -> str:
    """An access token as Supabase Auth signs it (supabase/auth, `internal/tokens/service.go`)."""
    now = int(time.time())
    claims = {
        "iss": AUTH,
        "sub": str(subject),
        "aud": "authenticated",
        "exp": now + 3600,
        "iat": now,
        "email": f"{subject}@example.com",
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {},
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now}],
        "session_id": str(session) if session else None,
        "is_anonymous": False,
        **changes,
    }
    return SigningKeys.parse(json.dumps(key)).sign({name: value for name, value in claims.items() if value is not None})


def user(**changes: Any) -> Json:
    """The user object (`internal/models/user.go`): what is null is left out."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    subject = str(changes.get("id") or uuid4())
    email = changes.get("email", f"{subject}@example.com")
    identity = {
        "identity_id": str(uuid4()),
        "id": subject,
        "user_id": subject,
        "identity_data": {"email": email, "email_verified": True, "phone_verified": False, "sub": subject},
        "provider": "email",
        "last_sign_in_at": now,
        "created_at": now,
        "updated_at": now,
        "email": email,
    }
    whole = {
        "id": subject,
        "aud": "authenticated",
        "role": "authenticated",
        "email": email,
        "email_confirmed_at": now,
        "phone": "",
        "confirmed_at": now,
        "last_sign_in_at": now,
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"email": email, "email_verified": True, "phone_verified": False, "sub": subject},
        "identities": [identity],
        "created_at": now,
        "updated_at": now,
        "is_anonymous": False,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def session(access_token: str = "header.payload.signature", **changes: Any) -> Json:
    return {
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": int(time.time()) + 3600,
        "refresh_token": uuid4().hex,
        "user": user(**changes),
    }


def refusal(status: int, code: str, *, old: bool = False, headers: Json | None = None, **more: Any) -> httpx.Response:
    """An error of Supabase Auth's, in the form for clients that name a version, or in the one before it."""
    message = "A sentence that stays behind, with sb_secret_of-the-test in it"
    body = {"code": code, "message": message}
    version = {"X-Supabase-Api-Version": "2024-01-01", "x-sb-error-code": code}
    if old:
        body, version = {"code": status, "error_code": code, "msg": message}, {}  # type: ignore[dict-item]
    return httpx.Response(status, json={**body, **more}, headers={**version, **(headers or {})})


def gateway(status: int) -> httpx.Response:
    """What stands in front of a project says so in HTML."""
    return httpx.Response(status, html=f"<html><h1>{status} - {SECRET_KEY}</h1></html>")
