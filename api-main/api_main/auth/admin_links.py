"""Links that administrators make for accounts, to be mailed by us or delivered by themselves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api_main.auth import one_time_tokens, passwords, repository
from api_main.auth.account_changes import merged
from api_main.auth.errors import EmailTaken, UserNotFound
from api_main.auth.links import LINKS, EmailLinks, LinkType, stamp
from api_main.auth.models import User
from api_main.auth.one_time_tokens import EMAIL_CHANGE_TOKENS, IssuedToken, OneTimeTokens, TokenKind
from api_main.auth.service import AUTH_ADMIN, EMAIL_PROVIDER
from api_main.auth.user_object import UserObject, user_object
from api_main.core.database import Database, RlsSession
from api_main.core.settings import Settings


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a link is wanted for. Password and metadata are those of an account that does not exist yet."""

    email: str
    redirect_to: str
    password: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link, its code, and whose it is."""

    user: UserObject
    issued: IssuedToken
    url: str
    kind: LinkType


class AdminLinks:
    """Makes links without asking the account's owner."""

    def __init__(self, database: Database, links: EmailLinks, tokens: OneTimeTokens, settings: Settings) -> None:
        self._database = database
        self._links = links
        self._tokens = tokens
        self._settings = settings

    async def invite(self, email: str, metadata: dict[str, Any], redirect_to: str) -> UserObject:
        """Create an account that is not confirmed, and mail it an invitation.

        Raises:
            EmailTaken: it has a confirmed account.
        """
        made = await self.make(LinkType.INVITE, LinkRequest(email, redirect_to, metadata=metadata))
        mail, language = LINKS[LinkType.INVITE].mail, await self._links.language_for(made.user)
        await self._links.mail(LinkType.INVITE, mail, email, made.issued, redirect_to, language)
        return made.user

    async def make(self, kind: LinkType, request: LinkRequest) -> MadeLink:
        """A link for an account, made where there is none and the kind allows it.

        Raises:
            UserNotFound: for a recovery.
            EmailTaken: for a sign-up or an invitation.
            WeakPassword
        """
        hashed = await passwords.checked_hash(request.password, self._settings)
        with repository.refusing_a_taken_email():
            async with self._database.session(AUTH_ADMIN) as session:
                kind, user = await _account_for(session, kind, request, hashed)
                issued = await self._tokens.issue(session, user.id, LINKS[kind].token, request.email)
                stamp(user, kind)
                await session.flush()
                return await self._made(session, kind, user, issued, request.redirect_to)

    async def make_email_change(self, kind: TokenKind, email: str, new_email: str, redirect_to: str) -> MadeLink:
        """One of the links that confirm a new e-mail: that of the new one, or that of the present one.

        Raises:
            UserNotFound, EmailTaken
        """
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_user(session, email, lock=True)
            if user is None:
                raise UserNotFound
            if await repository.find_user(session, new_email) is not None:
                raise EmailTaken(field="new_email")
            if user.email_change != new_email:
                user.email_change, user.email_change_confirm_status = new_email, 0
                await one_time_tokens.void(session, user.id, EMAIL_CHANGE_TOKENS)
            user.email_change_sent_at = datetime.now(UTC)
            to = new_email if kind is TokenKind.EMAIL_CHANGE_NEW else email
            issued = await self._tokens.issue(session, user.id, kind, to)
            await session.flush()
            return await self._made(session, LinkType.EMAIL_CHANGE, user, issued, redirect_to)

    async def _made(
        self, session: RlsSession, kind: LinkType, user: User, issued: IssuedToken, redirect_to: str
    ) -> MadeLink:
        identities = await repository.get_identities(session, [user.id])
        url = self._links.action_link(kind, issued.link, redirect_to)
        return MadeLink(user_object(user, identities[user.id]), issued, url, kind)


async def _account_for(
    session: RlsSession, kind: LinkType, request: LinkRequest, hashed: str | None
) -> tuple[LinkType, User]:
    """The account of an e-mail, and the kind of link that it needs: a new one has to be confirmed first."""
    metadata = request.metadata or {}
    user = await repository.find_user(session, request.email, lock=True)
    if user is None:
        if kind is LinkType.RECOVERY:
            raise UserNotFound
        kind = LinkType.SIGNUP if kind is LinkType.MAGIC_LINK else kind
        user = User(email=request.email, encrypted_password=hashed, raw_user_meta_data=metadata)
        user.raw_app_meta_data = EMAIL_PROVIDER
        await repository.add_user(session, user)
    elif LINKS[kind].token is TokenKind.CONFIRMATION:
        if user.email_confirmed_at is not None:
            raise EmailTaken(field="email")
        user.raw_user_meta_data = merged(user.raw_user_meta_data, metadata)
        if hashed or kind is LinkType.INVITE:
            user.encrypted_password = hashed  # anybody may have chosen the one that it had
    return kind, user
