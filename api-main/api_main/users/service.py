"""What superusers do with accounts."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

from api_main.auth import passwords
from api_main.auth.administration import AccountForm
from api_main.auth.errors import EmailTaken, UsernameTaken, UserNotFound
from api_main.auth.events import SecurityEvent, record
from api_main.core.database import RlsReader, RlsSession
from api_main.core.envelope import Meta, page_body, success_body
from api_main.core.pagination import fetch_page, next_cursor
from api_main.core.prelude import Identity
from api_main.core.settings import Settings
from api_main.users import queries, repository
from api_main.users.errors import AdministrationUnavailable
from api_main.users.keepers import Change, Keeper, NewUser
from api_main.users.schemas import UserChange, UserCreate, UserListQuery, UserRead

Progress = Callable[[int], Awaitable[None]]


async def list_page(reader: RlsReader, wanted: UserListQuery) -> bytes:
    """A page of the list, as the answer's body.

    Raises:
        InvalidCursor
    """
    statements = [queries.page(wanted), *([queries.total(wanted)] if wanted.include_total else [])]
    rows, *counted = await fetch_page(reader, *statements)
    total = int(counted[0][0][0] or 0) if counted else None
    cursor = next_cursor(rows, wanted.limit, wanted.sort)
    return page_body(rows.column(0, wanted.limit), Meta(limit=wanted.limit, total=total, next_cursor=cursor))


async def read(reader: RlsReader, user_id: UUID) -> bytes:
    """The answer's body.

    Raises:
        UserNotFound
    """
    (rows,) = await reader.fetch(queries.one(user_id))
    match rows:
        case [(bytes(user),)]:
            return success_body(user)
        case _:
            raise UserNotFound


async def check_passwords(forms: Sequence[UserCreate], settings: Settings) -> None:
    """Raises: WeakPassword, for the first one that will not do."""
    for place, form in enumerate(forms):
        if form.password is not None:
            name = f"users.{place}.password" if len(forms) > 1 else "password"
            password = form.password.get_secret_value()
            await passwords.check_strength(password, minimum=settings.password_min_length, field=name)


async def check_names(session: RlsSession, forms: Sequence[UserCreate]) -> None:
    """Raises: EmailTaken, UsernameTaken. `details` lists those that others have."""
    emails = {form.email for form in forms}
    usernames = {form.username for form in forms if form.username is not None}
    found = await repository.taken(session, sorted(emails), sorted(usernames))
    if same := sorted(profile.email for profile in found if profile.email in emails):
        raise EmailTaken(field="email", details={"emails": same})
    if same := sorted(profile.username for profile in found if profile.username in usernames):
        raise UsernameTaken(field="username", details={"usernames": same})


async def hash_passwords(forms: Sequence[UserCreate], done: Progress) -> list[str | None]:
    """On all cores. Nothing waits in the database meanwhile."""
    secrets = [None if form.password is None else form.password.get_secret_value() for form in forms]
    return await passwords.hash_all(secrets, done)


async def create(
    session: RlsSession, keeper: Keeper, by: Identity, forms: Sequence[UserCreate], settings: Settings
) -> list[UserRead]:
    """Create accounts, all or none, in the caller's transaction.

    Raises:
        WeakPassword, EmailTaken, UsernameTaken
    """
    await check_passwords(forms, settings)
    hashes = await hash_passwords(forms, _nobody_waits)
    return await create_hashed(session, keeper, by, forms, hashes, [uuid4() for _ in forms])


async def create_hashed(
    session: RlsSession,
    keeper: Keeper,
    by: Identity,
    forms: Sequence[UserCreate],
    hashes: Sequence[str | None],
    ids: Sequence[UUID],
) -> list[UserRead]:
    """As `create`, with these hashes and under these ids."""
    users = [
        NewUser(user_id, form.email, hashed, form.email_confirm, form.profile)
        for user_id, form, hashed in zip(ids, forms, hashes, strict=True)
    ]
    with repository.conflicts():
        await keeper.create(session, by, users)
        await repository.change_profiles(session, {user.id: user.profile for user in users})
        if len(users) > 1:
            await repository.note(session, "bulk_created", None, {"accounts": len(users)})
    for user in users:
        record(SecurityEvent.REGISTERED, subject=user.id, by="superuser")
    return await repository.read(session, ids)


async def change(
    session: RlsSession, keeper: Keeper, by: Identity, user_id: UUID, form: UserChange, settings: Settings
) -> UserRead:
    """Change an account and its profile.

    Raises:
        UserNotFound, EmailTaken, UsernameTaken, WeakPassword, LastSuperuser, AdministrationUnavailable
    """
    wanted = form.model_dump(exclude_unset=True)
    secret = None if form.password is None else form.password.get_secret_value()
    hashed = await passwords.checked_hash(secret, settings)
    account = Change(
        form=AccountForm(
            email=wanted.get("email"),
            password=secret,
            email_confirm="email" in wanted,
            app_metadata={"is_superuser": None} if wanted.get("is_superuser") is False else None,
        ),
        hashed=hashed,
        is_active=wanted.get("is_active"),
        is_loss=False in (wanted.get("is_active"), wanted.get("is_superuser")),
    )
    with repository.conflicts():
        await _refuse_a_taken_username(session, user_id, form.username)
        await keeper.change(session, by, user_id, account)
        if await repository.change_profiles(session, {user_id: form.profile}):
            raise UserNotFound
    [changed] = await repository.read(session, [user_id])
    if changed.is_superuser and wanted.get("is_superuser") is False:
        raise AdministrationUnavailable  # by app_metadata, which only Supabase Auth can change
    record(SecurityEvent.ACCOUNT_CHANGED, subject=user_id, by="superuser")
    return changed


async def delete(session: RlsSession, keeper: Keeper, by: Identity, user_id: UUID, *, soft: bool) -> None:
    """Delete an account.

    Raises:
        UserNotFound, LastSuperuser
    """
    with repository.conflicts():
        await keeper.delete(session, by, user_id, soft=soft)
    record(SecurityEvent.ACCOUNT_DELETED, subject=user_id, soft=soft, by="superuser")


async def _refuse_a_taken_username(session: RlsSession, user_id: UUID, username: str | None) -> None:
    """Before Supabase Auth is asked for something that would have to be undone."""
    if username is None:
        return
    if any(profile.id != user_id for profile in await repository.taken(session, [], [username])):
        raise UsernameTaken(field="username")


async def _nobody_waits(_done: Any) -> None:
    """Of a request nobody follows the progress."""
