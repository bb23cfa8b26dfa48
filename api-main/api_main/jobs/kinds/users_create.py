"""`users.create`: accounts, all or none. Their passwords come sealed; they are hashed before anything is written."""

import json
from collections.abc import Sequence
from uuid import uuid5

from sqlalchemy.exc import DBAPIError

from api_main.auth.outgoing import open_supabase
from api_main.auth.tags import ACCOUNTS
from api_main.core.cache import forget_after
from api_main.core.database import RlsSession
from api_main.core.error_handlers import from_exception
from api_main.core.errors import ApiError
from api_main.jobs.work import JobFailed, NotNow, Outcome, ResultFile, Work
from api_main.users import bulk, service
from api_main.users.keepers import choose_keeper
from api_main.users.schemas import UserCreate, UserRead
from api_main.users.sealing import SealBrokenError

WAIT = 5.0  # seconds until Supabase Auth is asked again


async def run(session: RlsSession, work: Work) -> Outcome:
    try:
        forms = await bulk.unpack(work.content, work.settings)
    except SealBrokenError:
        raise JobFailed("unreadable", "The password in DATABASE_URL has changed since. Send them again.") from None
    try:
        made = await _create(session, work, forms)
    except (ApiError, DBAPIError) as error:
        refusal = from_exception(error)
        if refusal.status in {429, 503}:
            raise NotNow(float(refusal.headers.get("Retry-After", WAIT))) from None
        if refusal.status >= 500:
            raise
        raise JobFailed(refusal.code, refusal.message, refusal.details) from None
    forget_after(session, ACCOUNTS)
    content = json.dumps([user.model_dump(mode="json") for user in made], indent=1, ensure_ascii=False).encode()
    return Outcome({"created": len(made)}, ResultFile("users.json", "application/json", content))


async def _create(session: RlsSession, work: Work, forms: Sequence[UserCreate]) -> list[UserRead]:
    async def report(done: int) -> None:
        await work.progress(done, len(forms))

    hashes = await service.hash_passwords(forms, report)
    ids = [uuid5(work.id, form.email) for form in forms]  # the same at every attempt
    async with open_supabase() as connections:
        keeper = choose_keeper(work.settings, connections)
        return await service.create_hashed(session, keeper, work.owner, forms, hashes, ids)
