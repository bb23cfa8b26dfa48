"""Accounts of a Supabase project, through the async client of the `supabase` package."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog
from supabase import ASupabaseAuthClient, AuthError
from supabase_auth.types import AuthResponse, SignInWithPasswordCredentials, User

from api_main.auth.account_service import Caller
from api_main.auth.afterwards import Afterwards
from api_main.auth.errors import (
    AuthUnavailable,
    InvalidRefreshToken,
    SamePassword,
    SessionEnded,
    TokenExpired,
    WeakPassword,
    WrongPassword,
)
from api_main.auth.events import SecurityEvent, record
from api_main.auth.issuers import supabase_issuer_name
from api_main.auth.lockout import Lockout
from api_main.auth.once import Once
from api_main.auth.repository import Scope
from api_main.auth.service import NewAccount
from api_main.auth.sessions import Device
from api_main.auth.supabase.errors import RETRY_SECONDS, Meanings, from_supabase
from api_main.auth.supabase.objects import pending, to_tokens
from api_main.auth.user_object import Tokens, UserObject
from api_main.core.errors import ApiError, PermissionDenied
from api_main.core.settings import Settings

log = structlog.get_logger()

CALL_SECONDS = 15.0  # in all: a gateway that sends one byte at a time never runs into httpx's own timeout
LAST_SECONDS = 40.0  # a change takes a few calls, and the client takes no token in its last ten seconds

REFRESHING: Meanings = {
    "validation_failed": InvalidRefreshToken,
    "session_not_found": InvalidRefreshToken,
    "user_not_found": InvalidRefreshToken,
    "user_banned": InvalidRefreshToken,
}
VERIFYING: Meanings = {"invalid_credentials": lambda: WrongPassword(field="current_password")}
CHANGING: Meanings = {
    "same_password": lambda: SamePassword(field="new_password"),
    "weak_password": lambda: WeakPassword(field="new_password"),
    "current_password_mismatch": lambda: WrongPassword(field="current_password"),
}
REGISTERING: Meanings = {"weak_password": lambda: WeakPassword(field="password")}


class SupabaseAccounts:
    """See `AccountService`. Each call has a client of its own, which knows one identity at most and forgets it."""

    def __init__(self, settings: Settings, connections: httpx.AsyncClient, lockout: Lockout) -> None:
        self._url = supabase_issuer_name(settings)
        self._public_key = settings.supabase_public_key or ""
        self._secret_key = settings.supabase_secret_key
        self._connections = connections
        # Theirs counts by address, and may see ours alone.
        self._lockout = lockout

    async def register(
        self,
        form: NewAccount,
        device: Device,
        later: Afterwards,  # noqa: ARG002 - Supabase Auth sends the mail itself
        once: Once,  # noqa: ARG002 - and in a transaction of its own
    ) -> Tokens | UserObject:
        async with our_errors(REGISTERING):
            answer = await self._client(device).sign_up(
                {"email": form.email, "password": form.password, "options": {"data": form.metadata}}
            )
            created = to_tokens(answer.session) if answer.session else pending(_user(answer), form)
        record(SecurityEvent.REGISTERED, subject=created.user.id if isinstance(created, Tokens) else created.id)
        return created

    async def sign_in(self, email: str, password: str, device: Device) -> Tokens:
        try:
            credentials: SignInWithPasswordCredentials = {"email": email, "password": password}
            tokens = await self._sign_in(self._client(device), credentials, {}, device.address)
        except ApiError as error:
            record(SecurityEvent.SIGN_IN_FAILED, reason=error.code)
            raise
        record(SecurityEvent.SIGNED_IN, subject=tokens.user.id)
        return tokens

    async def refresh(self, refresh_token: str, device: Device) -> Tokens:
        if not refresh_token:  # the client would look for one of its own
            raise InvalidRefreshToken
        async with our_errors(REFRESHING):
            tokens = _session(await self._client(device).refresh_session(refresh_token))
        record(SecurityEvent.REFRESHED, subject=tokens.user.id)
        return tokens

    async def sign_out(self, caller: Caller, scope: Scope) -> None:
        self._require_own(caller)
        try:
            async with our_errors({}):
                await self._client(caller.device).admin.sign_out(caller.token, scope)
        except SessionEnded:
            if scope != "local":
                raise
        record(SecurityEvent.SIGNED_OUT, subject=caller.principal.subject, scope=scope)

    async def change_password(self, caller: Caller, *, current: str, new: str) -> None:
        self._require_own(caller)
        if new == current:
            raise SamePassword(field="new_password")
        if caller.principal.expires_at < time.time() + LAST_SECONDS:
            raise TokenExpired
        client = self._client(caller.device)
        async with our_errors({}):
            # No refresh token: a client that has one would use it up, and the caller would be signed out.
            user = _user(await client.set_session(caller.token, ""))
        # On a client of its own: the session that this begins must not become the caller's.
        proof = self._client(caller.device)
        await self._sign_in(proof, _credentials(user, current), VERIFYING)
        try:
            async with our_errors(CHANGING):
                await client.update_user({"password": new, "current_password": current})
        except ApiError:
            await self._end(proof, "local")
            raise
        # Supabase Auth ends the others together with the change; an older one may not.
        await self._end(client, "others")
        record(SecurityEvent.PASSWORD_CHANGED, subject=caller.principal.subject)

    async def _sign_in(
        self,
        client: ASupabaseAuthClient,
        credentials: SignInWithPasswordCredentials,
        meanings: Meanings,
        address: str | None = None,
    ) -> Tokens:
        who = str(credentials.get("email") or credentials.get("phone"))
        await self._lockout.begin(who, address)
        try:
            async with our_errors(meanings):
                tokens = _session(await client.sign_in_with_password(credentials))
        except AuthUnavailable:  # nobody has guessed wrong, or right
            await self._lockout.withdraw(who, address)
            raise
        await self._lockout.succeed(who, address)
        return tokens

    async def _end(self, client: ASupabaseAuthClient, scope: Scope) -> None:
        try:
            async with our_errors({}):
                await client.sign_out({"scope": scope})
        except ApiError as error:
            log.warning("supabase_sign_out_failed", scope=scope, code=error.code)

    def _require_own(self, caller: Caller) -> None:
        if caller.principal.issuer != self._url:
            raise PermissionDenied("This account is kept by another issuer.")

    def _client(self, device: Device) -> ASupabaseAuthClient:
        """A client without an identity. It sets no timer, writes nothing down, and closes no connection."""
        return ASupabaseAuthClient(
            url=self._url,
            headers=self._headers(device),
            auto_refresh_token=False,
            persist_session=False,
            # A link with a PKCE code opens only where its verifier is kept, and that would be here.
            flow_type="implicit",
            http_client=self._connections,
        )

    def _headers(self, device: Device) -> dict[str, str]:
        """The project's key, never as a bearer: the new ones are no JWTs.

        With a secret key Supabase Auth believes us whose address it is that it counts, if the project has "IP
        address forwarding" on (https://supabase.com/docs/guides/auth/rate-limits); it asks for no CAPTCHA then.
        """
        if self._secret_key is None or device.address is None:
            return {"apikey": self._public_key}
        return {"apikey": self._secret_key.get_secret_value(), "Sb-Forwarded-For": device.address}


@asynccontextmanager
async def our_errors(meanings: Meanings) -> AsyncIterator[None]:
    """Give Supabase Auth some time, and turn whatever goes wrong into an error of ours."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except AuthError as error:
        raise from_supabase(error, meanings) from None
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        # Not the error's own words: pydantic's quote the tokens that they stumbled over.
        log.warning("supabase_auth_failed", kind=type(error).__name__)
        raise AuthUnavailable(retry_after=RETRY_SECONDS) from None


def _session(answer: AuthResponse) -> Tokens:
    if answer.session is None:
        raise ValueError("an answer without a session")
    return to_tokens(answer.session)


def _credentials(user: User, password: str) -> SignInWithPasswordCredentials:
    if user.email:
        return {"email": user.email, "password": password}
    if user.phone:
        return {"phone": user.phone, "password": password}
    raise WrongPassword(field="current_password")  # an anonymous account has none


def _user(answer: AuthResponse) -> User:
    if answer.user is None:
        raise ValueError("an answer without a user")
    return answer.user
