"""What stands in the access tokens that we issue: Supabase's claims, all of them and no others."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import jwt
import psycopg
import pytest
from jwt import PyJWK
from pydantic import ValidationError

from api_main.auth.models import AuthenticationMethod, AuthSession, User
from api_main.auth.refresh_tokens import new_key
from api_main.auth.sessions import SignedIn
from api_main.auth.signing import SigningKeys
from api_main.auth.tokens import TokenIssuer
from api_main.core.settings import Settings
from tests.auth.calls import new_email, refresh, register, sign_in, tokens_of
from tests.auth.forge import Jwk, public
from tests.conftest import NewPerson
from tests.people import Person

# Design, section 5; https://supabase.com/docs/guides/auth/jwt-fields
CLAIMS = {
    *("iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata", "user_metadata"),
    *("role", "aal", "amr", "session_id", "is_anonymous"),
}


def read(token: str, signing_key: Jwk) -> dict[str, Any]:
    """The claims, read as any other service would: with the published key alone."""
    key = PyJWK.from_dict(public(signing_key))
    return jwt.decode(token, key, algorithms=["ES256"], audience="authenticated", issuer="http://api.test/auth/v1")


async def read_next(client: httpx.AsyncClient, tokens: dict[str, Any], signing_key: Jwk) -> dict[str, Any]:
    """The claims of the next token of a session."""
    return read(tokens_of(await refresh(client, tokens["refresh_token"]))["access_token"], signing_key)


async def test_the_claims_are_those_of_supabase_and_no_others(client: httpx.AsyncClient, signing_key: Jwk) -> None:
    email, now = new_email(), int(time.time())
    tokens = tokens_of(await register(client, email, full_name="Grace"))
    claims = read(tokens["access_token"], signing_key)
    assert claims.keys() == CLAIMS
    issued_at, session = claims["iat"], str(UUID(claims["session_id"]))
    assert claims == {
        "iss": "http://api.test/auth/v1",
        "sub": tokens["user"]["id"],
        "aud": "authenticated",
        "exp": issued_at + 1800,
        "iat": issued_at,
        "email": email,
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"full_name": "Grace"},
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": pytest.approx(now, abs=60)}],
        "session_id": session,
        "is_anonymous": False,
    }
    assert issued_at == pytest.approx(now, abs=60)


async def test_the_header_names_the_key(client: httpx.AsyncClient, grace: Person, signing_key: Jwk) -> None:
    token = (await sign_in(client, grace.email))["access_token"]
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "JWT", "kid": signing_key["kid"]}


async def test_a_refreshed_token_keeps_the_time_of_signing_in(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], grace: Person, signing_key: Jwk
) -> None:
    tokens = await sign_in(client, grace.email)
    session = read(tokens["access_token"], signing_key)["session_id"]
    began = datetime(2026, 1, 2, tzinfo=UTC)
    admin.execute("update auth.mfa_amr_claims set created_at = %s where session_id = %s", (began, session))
    refreshed = await read_next(client, tokens, signing_key)
    assert refreshed["amr"] == [{"method": "password", "timestamp": int(began.timestamp())}]
    assert refreshed["session_id"] == session
    assert refreshed["iat"] == pytest.approx(time.time(), abs=60)


async def test_a_session_that_does_not_say_how_it_began_began_with_a_password(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], grace: Person, signing_key: Jwk
) -> None:
    tokens = await sign_in(client, grace.email)
    session = read(tokens["access_token"], signing_key)["session_id"]
    began = datetime(2026, 1, 2, tzinfo=UTC)
    admin.execute("update auth.sessions set created_at = %s where id = %s", (began, session))
    admin.execute("delete from auth.mfa_amr_claims where session_id = %s", (session,))
    refreshed = await read_next(client, tokens, signing_key)
    assert refreshed["amr"] == [{"method": "password", "timestamp": int(began.timestamp())}]


async def test_a_change_of_the_account_shows_in_the_next_token(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], grace: Person, signing_key: Jwk
) -> None:
    tokens = await sign_in(client, grace.email)
    admin.execute("""update auth.users set raw_app_meta_data = '{"plan": "pro"}' where id = %s""", (grace.id,))
    claims = await read_next(client, tokens, signing_key)
    assert claims["app_metadata"] == {"plan": "pro"}


async def test_an_account_made_by_hand_has_empty_metadata_rather_than_none(
    client: httpx.AsyncClient, new_person: NewPerson, quick_hash: str, signing_key: Jwk
) -> None:
    person = new_person(encrypted_password=quick_hash, raw_app_meta_data=None, raw_user_meta_data=None, phone=None)
    claims = read((await sign_in(client, person.email))["access_token"], signing_key)
    assert (claims["app_metadata"], claims["user_metadata"], claims["phone"]) == ({}, {}, "")


@pytest.mark.parametrize("seconds", [900, 1800, 3600])
def test_the_life_of_a_token_is_a_setting(signing_key: Jwk, settings: Settings, seconds: int) -> None:
    issuer = TokenIssuer(SigningKeys.parse(settings.signing_keys or ""), issuer="https://ours.test", lifetime=seconds)
    session = AuthSession(user_id=UUID(int=1), created_at=datetime.now(UTC), refresh_token_hmac_key=new_key())
    how = AuthenticationMethod(session_id=session.id, authentication_method="password", created_at=session.created_at)
    tokens = issuer.issue(SignedIn(User(id=UUID(int=1), email="grace@example.com"), session, how), [])
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == tokens.expires_in == seconds
    assert tokens.expires_at == claims["exp"]
    assert claims["amr"] == [{"method": "password", "timestamp": claims["iat"]}]


def test_a_token_lives_thirty_minutes_unless_told_otherwise(settings: Settings) -> None:
    assert settings.access_token_seconds == 30 * 60


@pytest.mark.parametrize("seconds", [0, -1, 60, 899, 3601, 86_400])
def test_a_life_under_fifteen_or_over_sixty_minutes_is_refused(settings: Settings, seconds: int) -> None:
    with pytest.raises(ValidationError, match="access_token_seconds"):
        Settings(_env_file=None, **{**settings.model_dump(exclude_unset=True), "access_token_seconds": seconds})
