"""Links and codes in mails: who asks for one never learns whether there is an account, who uses one is signed in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from api_main.auth import repository, sessions
from api_main.auth.account_changes import apply_email
from api_main.auth.errors import OneTimeTokenInvalid
from api_main.auth.events import SecurityEvent, record
from api_main.auth.mail.message import MailKind, Templates
from api_main.auth.mail.sender import MailSender
from api_main.auth.models import OneTimeToken, User
from api_main.auth.one_time_tokens import IssuedToken, OneTimeTokens, TokenKind
from api_main.auth.service import AUTH_ADMIN, Accounts
from api_main.auth.sessions import Device, Method
from api_main.auth.user_object import Tokens
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
    """A kind of link: the mail that it comes in, and the token that it carries."""

    mail: MailKind
    token: TokenKind


LINKS = {
    LinkType.SIGNUP: Link(MailKind.CONFIRMATION, TokenKind.CONFIRMATION),
    LinkType.INVITE: Link(MailKind.INVITE, TokenKind.CONFIRMATION),
    LinkType.MAGIC_LINK: Link(MailKind.MAGIC_LINK, TokenKind.RECOVERY),
    LinkType.RECOVERY: Link(MailKind.RECOVERY, TokenKind.RECOVERY),
}
ACCEPTED: dict[LinkType, list[TokenKind]] = {
    LinkType.SIGNUP: [TokenKind.CONFIRMATION],
    LinkType.INVITE: [TokenKind.CONFIRMATION],
    LinkType.MAGIC_LINK: [TokenKind.RECOVERY],
    LinkType.RECOVERY: [TokenKind.RECOVERY],
    LinkType.EMAIL: [TokenKind.CONFIRMATION, TokenKind.RECOVERY],
    LinkType.EMAIL_CHANGE: [TokenKind.EMAIL_CHANGE_NEW, TokenKind.EMAIL_CHANGE_CURRENT],
}


class EmailLinks:
    """Sends links and redeems them."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        tokens: OneTimeTokens,
        sender: MailSender,
        issuer: str,
        settings: Settings,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._tokens = tokens
        self._sender = sender
        self._issuer = issuer
        self._settings = settings
        self._templates = Templates(settings.mail_templates)

    async def send(self, kind: LinkType, email: str, redirect_to: str) -> None:
        """Mail a link to an account's e-mail, if there is such an account and it got none just now.

        Meant to run after the answer: neither the answer nor its time depends on what is found here.
        """
        link = LINKS[kind]
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_user(session, email)
            if user is None or not await self._is_due(session, user, kind):
                return
            issued = await self._tokens.issue(session, user.id, link.token, email)
            stamp(user, kind)
        await self.mail(kind, link.mail, email, issued, redirect_to)
        record(SecurityEvent.MAIL_REQUESTED, subject=user.id, kind=kind)

    async def send_email_change(self, user_id: UUID, redirect_to: str) -> None:
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
            issued = {kind: await self._tokens.issue(session, user.id, kind, to) for kind, to in recipients.items()}
        for kind, to in recipients.items():
            values = {"Email": user.email or "", "NewEmail": user.email_change}
            await self.mail(LinkType.EMAIL_CHANGE, MailKind.EMAIL_CHANGE, to, issued[kind], redirect_to, **values)

    async def resend_email_change(self, email: str, redirect_to: str) -> None:
        """Mail the links of a change that waits to be confirmed once more, asked for by either e-mail."""
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_email_change(session, email) or await repository.find_user(session, email)
            is_due = user is not None and await self._tokens.is_due(session, user.id, TokenKind.EMAIL_CHANGE_NEW)
        if user is not None and is_due:
            await self.send_email_change(user.id, redirect_to)

    async def send_reauthentication(self, user_id: UUID) -> None:
        """Mail a code with which somebody who is signed in shows that it is still them."""
        kind = TokenKind.REAUTHENTICATION
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.lock_user(session, user_id)
            if user is None or not user.email or not await self._tokens.is_due(session, user.id, kind):
                return
            issued = await self._tokens.issue(session, user.id, kind, user.email)
            user.reauthentication_sent_at = datetime.now(UTC)
        await self.mail(LinkType.EMAIL, MailKind.REAUTHENTICATION, user.email, issued, self._settings.site_url)

    async def mail(
        self, kind: LinkType, mail: MailKind, to: str, issued: IssuedToken, redirect_to: str, **values: str
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
        await self._sender.send(self._templates.render(mail, to, filled))

    def action_link(self, kind: LinkType, token: str, redirect_to: str) -> str:
        query = urlencode({"token": token, "type": kind, "redirect_to": redirect_to})
        return f"{self._issuer}/verify?{query}"

    async def redeem_code(self, kind: LinkType, email: str, code: str, device: Device) -> Tokens | None:
        """Use a code of six digits like the link that it came with. It can be guessed, but not in ten tries.

        Raises:
            TooManyAttempts
            OneTimeTokenInvalid, EmailTaken: see `redeem`.
        """
        await self._accounts.begin_attempt(email)
        tokens = await self.redeem(kind, self._tokens.link(email, code), device)
        await self._accounts.forget_attempts(email)
        return tokens

    async def redeem(self, kind: LinkType, link: str, device: Device) -> Tokens | None:
        """Use a link, and sign its account in. None where another confirmation is still needed.

        Raises:
            OneTimeTokenInvalid: unknown, used, too old, or its account may not sign in.
            EmailTaken: the new e-mail has an account by now.
        """
        with repository.refusing_a_taken_email():
            async with self._database.session(AUTH_ADMIN) as session:
                token = await self._tokens.redeem(session, ACCEPTED[kind], link)
                user = await repository.lock_user(session, token.user_id)
                if user is None or not await repository.may_sign_in(session, user.id):
                    raise OneTimeTokenInvalid
                if not await self._apply(session, user, token):
                    return None
                tokens = await self._accounts.issue(session, await sessions.begin(session, user, device, Method.OTP))
        record(SecurityEvent.LINK_REDEEMED, subject=user.id, kind=kind)
        return tokens

    async def _apply(self, session: RlsSession, user: User, token: OneTimeToken) -> bool:
        """Do what the token was for. False where an e-mail change waits for its other confirmation."""
        if token.token_type in ACCEPTED[LinkType.EMAIL_CHANGE]:
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

    async def _is_due(self, session: RlsSession, user: User, kind: LinkType) -> bool:
        if kind is LinkType.SIGNUP and user.email_confirmed_at is not None:
            return False
        return await self._tokens.is_due(session, user.id, LINKS[kind].token)


def stamp(user: User, kind: LinkType) -> None:
    """Note on the account when it was sent a link."""
    now = datetime.now(UTC)
    if LINKS[kind].token is TokenKind.RECOVERY:
        user.recovery_sent_at = now
    else:
        user.confirmation_sent_at = now
    if kind is LinkType.INVITE:
        user.invited_at = now
