"""Who keeps the accounts that superusers administer: this API itself, or Supabase Auth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import httpx

from api_main.auth import repository as accounts
from api_main.auth.administration import AccountForm, change_account, delete_account
from api_main.auth.errors import EmailTaken
from api_main.auth.models import User
from api_main.auth.service import EMAIL_PROVIDER, on_behalf_of
from api_main.core.database import RlsSession, become
from api_main.core.prelude import Identity
from api_main.core.settings import Settings
from api_main.users import repository
from api_main.users.errors import AdministrationUnavailable, LastSuperuser

if TYPE_CHECKING:
    from api_main.auth.supabase.administration import SupabaseAdministration


# Supabase Auth knows nothing of `is_active`, and can end nobody's sessions without their token: one that is banned can
# neither be refreshed nor begun.
BANS = {False: "876000h", True: "none"}


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account that is about to be made. Whoever makes it again, makes it under the same id."""

    id: UUID
    email: str
    hashed: str | None = field(repr=False)
    is_confirmed: bool
    profile: Mapping[str, Any]

    def account(self) -> User:
        now = datetime.now(UTC)
        return User(
            id=self.id,
            email=self.email,
            encrypted_password=self.hashed,
            email_confirmed_at=now if self.is_confirmed else None,
            raw_app_meta_data=EMAIL_PROVIDER,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an account, besides its profile. `hashed` is the hash of `form.password`."""

    form: AccountForm
    hashed: str | None = field(default=None, repr=False)
    is_active: bool | None = None  # None: as it was
    is_loss: bool = False  # a superuser would be none any more


class Keeper(Protocol):
    """Each call comes in a transaction of the superuser who asked for it, and leaves it to them."""

    async def create(self, session: RlsSession, by: Identity, users: Sequence[NewUser]) -> None:
        """Create accounts, all or none.

        Raises:
            EmailTaken
        """
        ...

    async def change(self, session: RlsSession, by: Identity, user_id: UUID, change: Change) -> None:
        """Raises: UserNotFound, EmailTaken, LastSuperuser."""
        ...

    async def delete(self, session: RlsSession, by: Identity, user_id: UUID, *, soft: bool) -> None:
        """Raises: UserNotFound, LastSuperuser."""
        ...


class OwnKeeper:
    """Accounts of our own: rows that change in the same transaction, as `auth_admin`."""

    async def create(self, session: RlsSession, by: Identity, users: Sequence[NewUser]) -> None:
        await become(session, on_behalf_of(by))
        await accounts.add_users(session, [user.account() for user in users])
        await become(session, by)

    async def change(self, session: RlsSession, by: Identity, user_id: UUID, change: Change) -> None:
        await become(session, on_behalf_of(by))
        await change_account(session, user_id, change.form, change.hashed)
        if change.is_active is False:
            await accounts.delete_sessions(session, user_id=user_id, current=None, scope="global")
        await become(session, by)

    async def delete(self, session: RlsSession, by: Identity, user_id: UUID, *, soft: bool) -> None:
        await become(session, on_behalf_of(by))
        await delete_account(session, user_id, soft=soft)
        await become(session, by)


class SupabaseKeeper:
    """Accounts of Supabase Auth. What it has done stays done: it is asked last, or what it did is undone.

    It does not know for whom we ask, so the audit log gets an entry more, which says so.
    """

    def __init__(self, administration: "SupabaseAdministration") -> None:
        self._administration = administration

    async def create(self, session: RlsSession, by: Identity, users: Sequence[NewUser]) -> None:  # noqa: ARG002
        made = list[UUID]()
        try:
            for user in users:
                await self._create(user)
                made.append(user.id)
            ids = [str(user_id) for user_id in made]
            await repository.note(session, "accounts_created", None, {"accounts": ids})
        except BaseException:
            for user_id in made:
                await self._administration.delete(user_id, soft=False)
            raise

    async def change(self, session: RlsSession, by: Identity, user_id: UUID, change: Change) -> None:  # noqa: ARG002
        if change.is_loss and await repository.is_last_superuser(session, user_id):
            raise LastSuperuser
        form = replace(change.form, ban_duration=None if change.is_active is None else BANS[change.is_active])
        if form == AccountForm():
            return
        await self._administration.change(user_id, form)
        await repository.note(session, "account_changed", user_id, {})

    async def delete(self, session: RlsSession, by: Identity, user_id: UUID, *, soft: bool) -> None:  # noqa: ARG002
        if await repository.is_last_superuser(session, user_id):
            raise LastSuperuser
        await self._administration.delete(user_id, soft=soft)
        await repository.note(session, "account_deleted", user_id, {"soft": soft})

    async def _create(self, user: NewUser) -> None:
        try:
            await self._administration.create(user.account())
        except EmailTaken:
            if not await self._administration.exists(user.id):  # made before, by an attempt that was cut off
                raise


class NoKeeper:
    """Accounts of Supabase Auth, without a key for their administration: they can only be looked at."""

    async def create(self, session: RlsSession, by: Identity, users: Sequence[NewUser]) -> None:  # noqa: ARG002
        raise AdministrationUnavailable

    async def change(self, session: RlsSession, by: Identity, user_id: UUID, change: Change) -> None:  # noqa: ARG002
        # Rights out of app_metadata stay; whoever changes them finds that out at the end.
        if replace(change.form, app_metadata=None) != AccountForm():
            raise AdministrationUnavailable

    async def delete(self, session: RlsSession, by: Identity, user_id: UUID, *, soft: bool) -> None:  # noqa: ARG002
        raise AdministrationUnavailable


def choose_keeper(settings: Settings, connections: httpx.AsyncClient | None) -> Keeper:
    """The keeper that these settings name. `connections` are for calls to Supabase Auth."""
    if settings.is_standalone:
        return OwnKeeper()
    from api_main.auth.supabase.administration import (  # noqa: PLC0415 - 5 MB, where accounts are kept there
        SupabaseAdministration,
        administration_key,
    )

    assert connections is not None
    key = administration_key(settings)
    return SupabaseKeeper(SupabaseAdministration(settings, connections, key)) if key else NoKeeper()
