"""supabase-py from PyPI, unchanged, against us: the same life of an account as in `supabase_js.mjs`."""

import asyncio
import html
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth import AsyncMemoryStorage
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from tests.clients.conftest import Project
from tests.patience import PATIENCE

PASSWORD = "a quiet afternoon"


NewClient = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture
async def new_client(project: Project) -> AsyncIterator[NewClient]:
    """Makes clients, one per person; their connections are closed at the end."""
    async with httpx.AsyncClient() as http:

        async def create(key: str | None = None) -> AsyncClient:
            options = AsyncClientOptions(auto_refresh_token=False, httpx_client=http)
            return await acreate_client(project.url, key or project.publishable_key, options)

        yield create


@pytest.fixture
def email() -> str:
    return f"ada.{uuid4()}@example.com"


@pytest.fixture
async def ada(new_client: NewClient, email: str) -> AsyncClient:
    client = await new_client()
    answer = await client.auth.sign_up(
        {"email": email, "password": PASSWORD, "options": {"data": {"full_name": "Ada"}}}
    )
    assert answer.session is not None
    return client


async def test_somebody_signs_up_once_and_in_with_the_right_password(
    new_client: NewClient, ada: AsyncClient, email: str
) -> None:
    with pytest.raises(AuthApiError) as taken:
        await ada.auth.sign_up({"email": email, "password": PASSWORD})
    assert (taken.value.code, taken.value.status) == ("user_already_exists", 422)
    other = await new_client()
    with pytest.raises(AuthApiError) as wrong:
        await other.auth.sign_in_with_password({"email": email, "password": "wrong"})
    assert (wrong.value.code, wrong.value.status) == ("invalid_credentials", 400)
    answer = await other.auth.sign_in_with_password({"email": email.upper(), "password": PASSWORD})
    assert answer.user is not None
    assert answer.user.user_metadata == {"full_name": "Ada"}


async def test_the_user_is_read_verified_and_changed(project: Project, ada: AsyncClient, email: str) -> None:
    user = await ada.auth.get_user()
    assert user is not None
    assert user.user.email == email
    claims = await ada.auth.get_claims()
    assert claims is not None
    assert claims["claims"]["iss"] == f"{project.url}/auth/v1"
    changed = await ada.auth.update_user({"data": {"colour": "green"}})
    assert changed.user.user_metadata == {"full_name": "Ada", "colour": "green"}
    with pytest.raises(AuthWeakPasswordError) as weak:
        await ada.auth.update_user({"password": "short"})
    assert weak.value.reasons == ["length"]


async def test_a_session_is_refreshed_and_a_lost_answer_given_again(new_client: NewClient, ada: AsyncClient) -> None:
    before = await ada.auth.get_session()
    after = await ada.auth.refresh_session()
    assert before is not None
    assert after.session is not None
    assert after.session.refresh_token != before.refresh_token
    again = await (await new_client()).auth.refresh_session(before.refresh_token)
    assert again.session is not None
    assert again.session.refresh_token == after.session.refresh_token


async def test_a_session_whose_token_is_about_to_expire_is_refreshed_by_itself(
    project: Project, ada: AsyncClient, email: str
) -> None:
    storage = AsyncMemoryStorage()
    async with httpx.AsyncClient() as http:
        client = await acreate_client(
            project.url, project.publishable_key, AsyncClientOptions(storage=storage, httpx_client=http)
        )
        before = (await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})).session
        assert before is not None
        (key,) = storage.storage
        soon = before.model_copy(update={"expires_at": int(time.time()) + 5})
        await storage.set_item(key, soon.model_dump_json())
        after = await client.auth.get_session()
        await client.auth.sign_out()
    assert after is not None
    assert after.refresh_token != before.refresh_token


@pytest.mark.parametrize(("scope", "survivors"), [("local", [False, True]), ("others", [True, False]), ("global", [])])
async def test_signing_out_ends_the_sessions_of_its_scope(
    project: Project, new_client: NewClient, ada: AsyncClient, email: str, scope: str, survivors: list[bool]
) -> None:
    other = await new_client()
    await other.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    tokens = [session.access_token for client in (ada, other) if (session := await client.auth.get_session())]
    await ada.auth.sign_out({"scope": scope})  # type: ignore[arg-type]
    assert [await is_alive(project, token) for token in tokens] == (survivors or [False, False])


async def is_alive(project: Project, token: str) -> bool:
    headers = {"apikey": project.publishable_key, "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{project.url}/auth/v1/user", headers=headers)
    assert answer.is_success or (answer.status_code, answer.json()["error_code"]) == (403, "session_not_found")
    return answer.is_success


async def test_an_administrator_creates_bans_and_deletes(project: Project, new_client: NewClient) -> None:
    admin = (await new_client(project.secret_key)).auth.admin
    email = f"grace.{uuid4()}@example.com"
    created = await admin.create_user({"email": email, "password": PASSWORD, "email_confirm": True})
    assert [user.id for user in await admin.list_users(1, 1)] == [created.user.id]
    assert (await admin.get_user_by_id(created.user.id)).user.email == email
    await admin.update_user_by_id(created.user.id, {"ban_duration": "24h"})
    with pytest.raises(AuthApiError) as banned:
        await (await new_client()).auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert (banned.value.code, banned.value.status) == ("user_banned", 400)
    await admin.delete_user(created.user.id)
    with pytest.raises(AuthApiError) as gone:
        await admin.get_user_by_id(created.user.id)
    assert (gone.value.code, gone.value.status) == ("user_not_found", 404)
    with pytest.raises(AuthApiError) as refused:
        await (await new_client()).auth.admin.list_users()
    assert (refused.value.code, refused.value.status) == ("not_admin", 403)


async def test_a_link_signs_in_once(project: Project, new_client: NewClient, ada: AsyncClient, email: str) -> None:
    admin = (await new_client(project.secret_key)).auth.admin
    link = await admin.generate_link({"type": "magiclink", "email": email})
    redeemed = {"token_hash": link.properties.hashed_token, "type": "magiclink"}
    answer = await (await new_client()).auth.verify_otp(redeemed)  # type: ignore[arg-type]
    assert answer.user is not None
    assert answer.user.email == email
    with pytest.raises(AuthApiError) as used:
        await ada.auth.verify_otp(redeemed)  # type: ignore[arg-type]
    assert (used.value.code, used.value.status) == ("otp_expired", 403)


async def test_an_administrator_invites_and_signs_out(
    project: Project, new_client: NewClient, ada: AsyncClient
) -> None:
    admin = (await new_client(project.secret_key)).auth.admin
    invited = await admin.invite_user_by_email(f"joan.{uuid4()}@example.com", {"data": {"team": "red"}})
    assert invited.user.invited_at is not None
    assert invited.user.user_metadata == {"team": "red"}
    session = await ada.auth.get_session()
    assert session is not None
    await admin.sign_out(session.access_token, "global")
    assert not await is_alive(project, session.access_token)


async def test_a_link_gives_a_code_to_whoever_asked_for_it(mailing_project: Project, email: str) -> None:
    """supabase-py asks for links with a challenge unless it is told not to (PKCE)."""
    async with httpx.AsyncClient() as http:
        options = AsyncClientOptions(auto_refresh_token=False, httpx_client=http)
        client = await acreate_client(mailing_project.url, mailing_project.publishable_key, options)
        await client.auth.sign_in_with_otp({"email": email})
        followed = await http.get(await mailed_link(http, mailing_project, email))
        assert followed.status_code == 303
        code = httpx.URL(followed.headers["location"]).params["code"]
        answer = await client.auth.exchange_code_for_session({"auth_code": code})
        assert answer.user is not None
        assert answer.user.email == email
        with pytest.raises(AuthApiError) as used:
            await client.auth.exchange_code_for_session({"auth_code": code, "code_verifier": "x"})
    assert (used.value.code, used.value.status) == ("flow_state_not_found", 404)


async def mailed_link(http: httpx.AsyncClient, project: Project, email: str) -> str:
    """The link of the mail to an address. It is sent after the answer, and may be a moment late."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = (await http.get(f"{project.url}/dev/mail")).text
        for message in page.split("<hr>"):
            if f"<b>{email}</b>" in message:
                body = html.unescape(message)
                return html.unescape(body.partition('href="')[2].partition('"')[0])
        await asyncio.sleep(0.05)
    raise AssertionError(f"no mail to {email}")


async def test_an_anonymous_account_becomes_a_permanent_one(new_client: NewClient, email: str) -> None:
    client = await new_client()
    answer = await client.auth.sign_in_anonymously()
    assert answer.user is not None
    assert answer.user.is_anonymous
    changed = await client.auth.update_user({"email": email, "password": PASSWORD})
    assert (changed.user.email, changed.user.is_anonymous) == (email, False)
