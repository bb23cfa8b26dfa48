"""What `/api/v1/auth` asks of accounts, whoever keeps them: this API itself, or Supabase Auth."""

from dataclasses import dataclass, field
from typing import Protocol

from api_main.auth.account_changes import AccountChanges
from api_main.auth.afterwards import Afterwards
from api_main.auth.links import Destination, EmailLinks, LinkType
from api_main.auth.once import Once
from api_main.auth.principal import Principal
from api_main.auth.repository import Scope
from api_main.auth.service import Accounts, NewAccount
from api_main.auth.sessions import Device
from api_main.auth.user_object import Tokens, UserObject
from api_main.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is signed in, with the token that shows it."""

    principal: Principal
    token: str = field(repr=False)
    device: Device


class AccountService(Protocol):
    """Accounts as their owners use them. The errors are those of `auth/errors.py`, in both modes."""

    async def register(self, form: NewAccount, device: Device, later: Afterwards, once: Once) -> Tokens | UserObject:
        """Create an account: signed in where e-mails need no confirmation, else its user object.

        Raises:
            SignUpDisabled, EmailTaken, WeakPassword
        """
        ...

    async def sign_in(self, email: str, password: str, device: Device) -> Tokens:
        """Begin a session.

        Raises:
            InvalidCredentials, AccountDisabled, EmailNotConfirmed, TooManyAttempts
        """
        ...

    async def refresh(self, refresh_token: str, device: Device) -> Tokens:
        """The next tokens of a session.

        Raises:
            InvalidRefreshToken, RefreshTokenReused, SessionExpired
        """
        ...

    async def sign_out(self, caller: Caller, scope: Scope) -> None:
        """End the caller's session, all their sessions, or all others."""
        ...

    async def change_password(self, caller: Caller, *, current: str, new: str) -> None:
        """Set a new password for somebody who knows the present one, and end all other sessions.

        Raises:
            WrongPassword, SamePassword, WeakPassword, TooManyAttempts
        """
        ...


class StandaloneAccounts:
    """The accounts that this API keeps itself."""

    def __init__(self, accounts: Accounts, changes: AccountChanges, links: EmailLinks, settings: Settings) -> None:
        self._accounts = accounts
        self._changes = changes
        self._links = links
        self._settings = settings

    async def register(self, form: NewAccount, device: Device, later: Afterwards, once: Once) -> Tokens | UserObject:
        if not self._settings.email_autoconfirm:
            later.do(self._links.send, LinkType.SIGNUP, form.email, Destination(self._settings.site_url))
        return await self._accounts.sign_up(form, device, once)

    async def sign_in(self, email: str, password: str, device: Device) -> Tokens:
        return await self._accounts.sign_in(email, password, device)

    async def refresh(self, refresh_token: str, device: Device) -> Tokens:  # noqa: ARG002 - Supabase Auth is told
        return await self._accounts.refresh(refresh_token)

    async def sign_out(self, caller: Caller, scope: Scope) -> None:
        await self._accounts.sign_out(caller.principal, scope)

    async def change_password(self, caller: Caller, *, current: str, new: str) -> None:
        await self._changes.change_password(caller.principal, current=current, new=new)
