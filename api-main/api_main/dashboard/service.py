"""The numbers of the dashboard, from the cache where they are there."""

from api_main.auth import repository
from api_main.auth.principal import Principal
from api_main.auth.tags import ACCOUNTS, profile_of
from api_main.core.cache import Cache
from api_main.core.database import Database
from api_main.core.envelope import success_body
from api_main.dashboard import queries
from api_main.tasks.tags import ALL_TASKS, tasks_of

SECONDS = 60
YES, NO = b"yes", b"no"


async def read(cache: Cache, database: Database, principal: Principal) -> bytes:
    """The answer's body. What is kept of it is the caller's alone, and is read again when it may have changed."""
    reader = database.reader(principal.identity)

    async def ask() -> bytes:
        return YES if await repository.is_superuser(reader) else NO

    async def count() -> bytes:
        [[(numbers,)]] = await reader.fetch(queries.NUMBERS)
        return success_body(numbers or b"null")

    rights, whose = profile_of(principal.subject), principal.identity
    kept = await cache.get_or_load("is superuser", SECONDS, ask, whose=whose, tags=[rights])
    # This only decides what makes the numbers old. Whose they are, the statement looks up by itself.
    made_of = [ALL_TASKS, ACCOUNTS] if kept == YES else [tasks_of(principal.subject)]
    return await cache.get_or_load("dashboard", SECONDS, count, whose=whose, tags=[rights, *made_of])
