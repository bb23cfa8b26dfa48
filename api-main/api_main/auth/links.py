"""Links and codes in mails: who asks for one never learns whether there is an account."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from api_main.auth import locales, pkce, repository
from api_main.auth.errors import MailTooSoon
from api_main.auth.events import SecurityEvent, record
from api_main.auth.mail.message import MailKind, Templates
from api_main.auth.mail.sender import MailSender
from api_main.auth.models import User
from api_main.auth.one_time_tokens import IssuedToken, OneTimeTokens, TokenKind
from api_main.auth.pkce import Challenge
from api_main.auth.service import AUTH_ADMIN
from api_main.auth.sessions import Method
from api_main.auth.user_object import UserObject
from api_main.core.database import Database, RlsSession
from api_main.core.settings import Settings


class LinkType(StrEnum):
    """What a link is for: the `type` of Supabase Auth's `/verify`."""

    SIGNUP = "signup"
    INVITE = "invite"
    MAGIC_LINK = "magiclink"
    RECOVERY = "recovery"
    EMAIL_CHANGE = "email_change"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Link:
    """A kind of link: the mail that it comes in, the token that it carries, and what a session by it is said to be."""

    mail: MailKind
    token: TokenKind
    method: Method


LINKS = {
    LinkType.SIGNUP: Link(MailKind.CONFIRMATION, TokenKind.CONFIRMATION, Method.SIGN_UP),
    LinkType.INVITE: Link(MailKind.INVITE, TokenKind.CONFIRMATION, Method.INVITE),
    LinkType.MAGIC_LINK: Link(MailKind.MAGIC_LINK, TokenKind.RECOVERY, Method.MAGIC_LINK),
    LinkType.RECOVERY: Link(MailKind.RECOVERY, TokenKind.RECOVERY, Method.RECOVERY),
}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a link leads, and, where only those may use it who asked for it (PKCE), their challenge."""

    redirect_to: str
    challenge: Challenge | None = None


class EmailLinks:
    """Sends links; for using them see `Redemption`."""

    def __init__(
        self, database: Database, tokens: OneTimeTokens, sender: MailSender, issuer: str, settings: Settings
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._sender = sender
        self._issuer = issuer
        self._settings = settings
        self._templates = Templates(settings.mail_templates)

    async def send(self, kind: LinkType, email: str, to: Destination) -> None:
        """Mail a link to an account's e-mail, if there is such an account and it got none just now.

        Meant to run after the answer: neither the answer nor its time depends on what is found here.
        """
        link = LINKS[kind]
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_user(session, email, lock=True)
            if user is None or not await self._is_due(session, user, kind):
                return
            issued = await self._tokens.issue(session, user.id, link.token, email, prefix=_prefix(to))
            if to.challenge:
                await pkce.begin(session, user.id, link.method, to.challenge)
            stamp(user, kind)
        await self.mail(kind, link.mail, email, issued, to.redirect_to, await self.language_for(user))
        record(SecurityEvent.MAIL_REQUESTED, subject=user.id, kind=kind)

    async def send_email_change(self, user_id: UUID, to: Destination) -> None:
        """Mail the links that confirm a new e-mail: to the new one and, where set so, to the present one."""
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.lock_user(session, user_id)
            if user is None or not user.email_change:
                return
            recipients = {TokenKind.EMAIL_CHANGE_NEW: user.email_change}
            if self._settings.email_change_confirms_both and user.email:
                recipients[TokenKind.EMAIL_CHANGE_CURRENT] = user.email
            user.email_change_sent_at = datetime.now(UTC)
            user.email_change_confirm_status = 0  # new links for both: neither stands for the other
            issued = {
                kind: await self._tokens.issue(session, user.id, kind, email, prefix=_prefix(to))
                for kind, email in recipients.items()
            }
            if to.challenge:
                await pkce.begin(session, user.id, Method.EMAIL_CHANGE, to.challenge)
        values = {"Email": user.email or "", "NewEmail": user.email_change}
        for kind, email in recipients.items():
            await self.mail(
                LinkType.EMAIL_CHANGE,
                MailKind.EMAIL_CHANGE,
                email,
                issued[kind],
                to.redirect_to,
                await self.language_for(user),
                **values,
            )

    async def resend_email_change(self, email: str, to: Destination) -> None:
        """Mail the links of a change that waits to be confirmed once more, asked for by either e-mail."""
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_email_change(session, email) or await repository.find_user(session, email)
            is_due = user is not None and await self._tokens.is_due(session, user.id, TokenKind.EMAIL_CHANGE_NEW)
        if user is not None and is_due:
            await self.send_email_change(user.id, to)

    async def require_due(self, user_id: UUID, kind: TokenKind) -> None:
        """Tell somebody who is signed in that they asked for the same mail just now.

        Raises:
            MailTooSoon
        """
        async with self._database.session(AUTH_ADMIN) as session:
            seconds = await self._tokens.seconds_left(session, user_id, kind)
        if seconds:
            raise MailTooSoon(seconds)

    async def send_reauthentication(self, user_id: UUID) -> None:
        """Mail a code with which somebody who is signed in shows that it is still them."""
        kind = TokenKind.REAUTHENTICATION
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.lock_user(session, user_id)
            if user is None or not user.email or not await self._tokens.is_due(session, user.id, kind):
                return  # something has happened since it was asked for
            issued = await self._tokens.issue(session, user.id, kind, user.email)
            user.reauthentication_sent_at = datetime.now(UTC)
        to, language = self._settings.site_url, await self.language_for(user)
        await self.mail(LinkType.EMAIL, MailKind.REAUTHENTICATION, user.email, issued, to, language)

    async def language_for(self, user: User | UserObject) -> str:
        metadata = user.raw_user_meta_data if isinstance(user, User) else user.user_metadata
        return await locales.language_for(self._database, user.id, metadata or {})

    async def mail(
        self,
        kind: LinkType,
        mail: MailKind,
        to: str,
        issued: IssuedToken,
        redirect_to: str,
        language: str,
        **values: str,
    ) -> None:
        filled = {
            "ConfirmationURL": self.action_link(kind, issued.link, redirect_to),
            "Token": issued.code,
            "TokenHash": issued.link,
            "SiteURL": self._settings.site_url,
            "RedirectTo": redirect_to,
            "Email": to,
            **values,
        }
        await self._sender.send(self._templates.render(mail, to, filled, language))

    def action_link(self, kind: LinkType, token: str, redirect_to: str) -> str:
        query = urlencode({"token": token, "type": kind, "redirect_to": redirect_to})
        return f"{self._issuer}/verify?{query}"

    async def _is_due(self, session: RlsSession, user: User, kind: LinkType) -> bool:
        if kind is LinkType.SIGNUP and user.email_confirmed_at is not None:
            return False
        return await self._tokens.is_due(session, user.id, LINKS[kind].token)


def _prefix(to: Destination) -> str:
    return pkce.PREFIX if to.challenge else ""


def stamp(user: User, kind: LinkType) -> None:
    """Note on the account when it was sent a link."""
    now = datetime.now(UTC)
    if LINKS[kind].token is TokenKind.RECOVERY:
        user.recovery_sent_at = now
    else:
        user.confirmation_sent_at = now
    if kind is LinkType.INVITE:
        user.invited_at = now
