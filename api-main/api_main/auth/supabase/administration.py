"""Accounts of a Supabase project as their administrator changes them, with the project's secret key.

What Supabase Auth does is a transaction of its own, in which its triggers write the audit log.
"""

from functools import partial
from uuid import UUID

import httpx
from supabase import ASupabaseAuthClient
from supabase_auth.types import AdminUserAttributes

from api_main.auth.administration import AccountForm
from api_main.auth.errors import AuthUnavailable, EmailTaken, UserNotFound
from api_main.auth.issuers import supabase_issuer_name
from api_main.auth.models import User
from api_main.auth.supabase.accounts import our_errors
from api_main.auth.supabase.errors import Meanings
from api_main.core.settings import Settings

MEANINGS: Meanings = {
    "user_not_found": UserNotFound,
    "email_exists": partial(EmailTaken, field="email"),
    # Of our own key, not of the caller's token.
    **dict.fromkeys(("no_authorization", "bad_jwt", "not_admin"), AuthUnavailable),
}


def administration_key(settings: Settings) -> str | None:
    """The key that opens the administration, where there is one."""
    key = settings.supabase_secret_key or settings.supabase_service_role_key
    return None if key is None else key.get_secret_value()


class SupabaseAdministration:
    """Calls of Supabase Auth's administration. Each has a client of its own."""

    def __init__(self, settings: Settings, connections: httpx.AsyncClient, key: str) -> None:
        self._url = supabase_issuer_name(settings)
        self._connections = connections
        # A legacy key is a JWT and its own bearer; the gateway makes one of the new kind.
        self._headers = {"apikey": key, **({"Authorization": f"Bearer {key}"} if key.startswith("eyJ") else {})}

    async def create(self, user: User) -> None:
        """Create an account with this id, e-mail and hash of a password.

        Raises:
            EmailTaken, AuthUnavailable
        """
        attributes: AdminUserAttributes = {
            "id": str(user.id),
            "email": user.email or "",
            "email_confirm": user.email_confirmed_at is not None,
        }
        if user.encrypted_password is not None:
            attributes["password_hash"] = user.encrypted_password
        async with our_errors(MEANINGS):
            await self._client().admin.create_user(attributes)

    async def exists(self, user_id: UUID) -> bool:
        """Whether there is an account with this id."""
        try:
            async with our_errors(MEANINGS):
                await self._client().admin.get_user_by_id(str(user_id))
        except UserNotFound:
            return False
        return True

    async def change(self, user_id: UUID, form: AccountForm) -> None:
        """Change e-mail, password or app_metadata of an account, or ban it.

        Raises:
            UserNotFound, EmailTaken, WeakPassword, AuthUnavailable
        """
        attributes: AdminUserAttributes = {}
        if form.email is not None:
            attributes |= {"email": form.email, "email_confirm": True}
        if form.password is not None:
            attributes["password"] = form.password
        if form.app_metadata is not None:
            attributes["app_metadata"] = form.app_metadata
        if form.ban_duration is not None:
            attributes["ban_duration"] = form.ban_duration
        async with our_errors(MEANINGS):
            await self._client().admin.update_user_by_id(str(user_id), attributes)

    async def delete(self, user_id: UUID, *, soft: bool) -> None:
        """Raises: UserNotFound, AuthUnavailable."""
        async with our_errors(MEANINGS):
            await self._client().admin.delete_user(str(user_id), should_soft_delete=soft)

    def _client(self) -> ASupabaseAuthClient:
        return ASupabaseAuthClient(
            url=self._url,
            headers=dict(self._headers),
            auto_refresh_token=False,
            persist_session=False,
            flow_type="implicit",
            http_client=self._connections,
        )
