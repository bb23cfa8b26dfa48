"""Using links and codes out of mails: what they were for is done, and whoever has one is signed in."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from api_main.auth import pkce, repository, sessions
from api_main.auth.account_changes import apply_email
from api_main.auth.errors import AccountDisabled, OneTimeTokenInvalid
from api_main.auth.events import SecurityEvent, record
from api_main.auth.links import LINKS, LinkType
from api_main.auth.models import OneTimeToken, User
from api_main.auth.one_time_tokens import EMAIL_CHANGE_TOKENS, OneTimeTokens, TokenKind
from api_main.auth.service import AUTH_ADMIN, Accounts
from api_main.auth.sessions import Device, Method
from api_main.auth.user_object import Tokens
from api_main.core.database import Database, RlsSession
from api_main.core.settings import Settings

ACCEPTED: dict[LinkType, Collection[TokenKind]] = {
    **{kind: [link.token] for kind, link in LINKS.items()},
    LinkType.EMAIL: [TokenKind.CONFIRMATION, TokenKind.RECOVERY],
    LinkType.EMAIL_CHANGE: EMAIL_CHANGE_TOKENS,
}


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A link that was just used, in the transaction that uses it.

    Attributes:
        is_done: False where an e-mail change waits for its other confirmation.
    """

    session: RlsSession
    user: User
    token: OneTimeToken
    is_done: bool


class Redemption:
    """Redeems links and codes."""

    def __init__(self, database: Database, accounts: Accounts, tokens: OneTimeTokens, settings: Settings) -> None:
        self._database = database
        self._accounts = accounts
        self._tokens = tokens
        self._settings = settings

    async def redeem(self, kind: LinkType, link: str, device: Device) -> Tokens | None:
        """Use a link, and sign its account in. None where another confirmation is still needed.

        Raises:
            OneTimeTokenInvalid: unknown, used, too old, or its account may not sign in.
            EmailTaken: the new e-mail has an account by now.
        """
        async with self._redeeming(kind, link) as redeemed:
            return await self._sign_in(redeemed, device)

    async def redeem_code(self, kind: LinkType, email: str, code: str, device: Device) -> Tokens | None:
        """Use a code of six digits like the link that it came with. It can be guessed, but not in ten tries.

        Raises:
            TooManyAttempts
            OneTimeTokenInvalid, EmailTaken: see `redeem`.
        """
        await self._accounts.begin_attempt(email, address=device.address)
        link = self._tokens.link(email, code)
        async with self._redeeming(kind, link, pkce.PREFIX + link) as redeemed:
            tokens = await self._sign_in(redeemed, device)
        await self._accounts.forget_attempts(email, device.address)
        return tokens

    async def redeem_for_code(self, kind: LinkType, link: str) -> str | None:
        """Use a link that was asked for with a challenge: the code for `exchange`. None as of `redeem`.

        Raises:
            OneTimeTokenInvalid, EmailTaken: see `redeem`.
            FlowNotFound: it was asked for without a challenge.
        """
        async with self._redeeming(kind, link) as redeemed:
            if not redeemed.is_done:
                return None
            return await pkce.issue_code(redeemed.session, redeemed.user.id, _methods(redeemed.token))

    async def exchange(self, code: str, verifier: str, device: Device) -> Tokens:
        """Begin a session with the code of a link and the secret that the link was asked for with.

        Raises:
            FlowNotFound, FlowExpired, CodeVerifierWrong: see `pkce.redeem`.
            AccountDisabled
        """
        async with self._database.session(AUTH_ADMIN) as session:
            owner = await pkce.owner(session, code)
            user = await repository.lock_user(session, owner) if owner else None
            flow = await pkce.redeem(session, code, verifier)
            if user is None or not await repository.may_sign_in(session, user.id):
                raise AccountDisabled
            begun = await sessions.begin(session, user, device, Method(flow.authentication_method))
            tokens = await self._accounts.issue(session, begun)
        record(SecurityEvent.SIGNED_IN, subject=user.id)
        return tokens

    async def _sign_in(self, redeemed: Redeemed, device: Device) -> Tokens | None:
        if not redeemed.is_done:
            return None
        begun = await sessions.begin(redeemed.session, redeemed.user, device, Method.OTP)
        return await self._accounts.issue(redeemed.session, begun)

    @asynccontextmanager
    async def _redeeming(self, kind: LinkType, *links: str) -> AsyncIterator[Redeemed]:
        """A transaction that uses one of these links, and does what it was for."""
        with repository.refusing_a_taken_email():
            async with self._database.session(AUTH_ADMIN) as session:
                owner = await self._tokens.owner(session, ACCEPTED[kind], *links)
                # The account first, as everywhere: otherwise two could wait for each other.
                user = await repository.lock_user(session, owner) if owner else None
                token = await self._tokens.redeem(session, ACCEPTED[kind], *links)
                if user is None or not await repository.may_sign_in(session, user.id):
                    raise OneTimeTokenInvalid
                is_done = await self._apply(session, user, token)
                yield Redeemed(session, user, token, is_done)
        if is_done:
            record(SecurityEvent.LINK_REDEEMED, subject=user.id, kind=kind)

    async def _apply(self, session: RlsSession, user: User, token: OneTimeToken) -> bool:
        """Do what the token was for. False where an e-mail change waits for its other confirmation."""
        if token.token_type in EMAIL_CHANGE_TOKENS:
            return await self._apply_email_change(session, user, token)
        if user.email_confirmed_at is None:
            if token.token_type != TokenKind.CONFIRMATION:
                # Whoever made the account never showed that the e-mail is theirs: their password opens nothing.
                user.encrypted_password = None
            user.email_confirmed_at = datetime.now(UTC)
            await repository.set_email_identity(session, user)
        return True

    async def _apply_email_change(self, session: RlsSession, user: User, token: OneTimeToken) -> bool:
        if not user.email_change or token.relates_to not in {user.email_change, user.email}:
            raise OneTimeTokenInvalid
        if self._settings.email_change_confirms_both and user.email and not user.email_change_confirm_status:
            user.email_change_confirm_status = 1
            return False
        await apply_email(session, user, user.email_change)
        return True


def _methods(token: OneTimeToken) -> list[Method]:
    """How a link with this token may have been asked for."""
    if token.token_type in EMAIL_CHANGE_TOKENS:
        return [Method.EMAIL_CHANGE]
    return [link.method for link in LINKS.values() if link.token == token.token_type]
