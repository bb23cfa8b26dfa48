"""What the routes of accounts ask for."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from api_main.auth.dependencies import CurrentCache, get_session, reader_for, session_for, superuser_for
from api_main.auth.principal import Principal
from api_main.auth.scopes import Scope
from api_main.auth.tags import ACCOUNTS, profile_of, sessions_of
from api_main.core.cache import Cache
from api_main.core.database import RlsReader, RlsSession
from api_main.core.resources import resource
from api_main.idempotency.route import creation_for, get_creation
from api_main.tasks.tags import ALL_TASKS
from api_main.users.keepers import Keeper


async def get_user_creation(
    cache: CurrentCache, session: Annotated[RlsSession, Depends(get_creation, scope="function")]
) -> RlsSession:
    _invalidate_numbers(cache, session)
    return session


async def get_user_session(
    user_id: UUID, cache: CurrentCache, session: Annotated[RlsSession, Depends(get_session, scope="function")]
) -> RlsSession:
    _invalidate_numbers(cache, session)
    cache.invalidate_after(session, profile_of(user_id), sessions_of(user_id))
    return session


def _invalidate_numbers(cache: Cache, session: RlsSession) -> None:
    """Once it is committed: tasks go with their account."""
    cache.invalidate_after(session, ACCOUNTS, ALL_TASKS)


CurrentKeeper = Annotated[Keeper, resource("user_keeper")]
ReadingSuperuser = Annotated[Principal, superuser_for(Scope.USERS_READ)]
WritingSuperuser = Annotated[Principal, superuser_for(Scope.USERS_WRITE)]
UserReader = Annotated[RlsReader, reader_for(Scope.USERS_READ)]
UserSession = Annotated[RlsSession, session_for(Scope.USERS_WRITE, get=get_user_session)]
UserCreation = Annotated[RlsSession, creation_for(Scope.USERS_WRITE, get=get_user_creation)]
