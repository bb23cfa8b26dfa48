"""The administration opens to secret keys and to tokens of the role `service_role`, and to nothing else."""

import time
from uuid import uuid4

import jwt
import pytest

from api_main.auth.api_keys import KeyKind, digest, generate
from api_main.core.settings import Settings
from tests.people import claims, sign
from tests.protocol.conftest import Admin
from tests.protocol.project import LEGACY_SECRET, Json, Project, good, refused

NOBODY = "6f1c5e0a-0d0c-4a53-9c1b-2f0c6f3a7b11"
ROUTES = [
    ("GET", "admin/users"),
    ("POST", "admin/users"),
    ("GET", f"admin/users/{NOBODY}"),
    ("PUT", f"admin/users/{NOBODY}"),
    ("DELETE", f"admin/users/{NOBODY}"),
    ("GET", "admin/users/x"),
    ("POST", "admin/generate_link"),
    ("POST", "invite"),
]


@pytest.fixture
def service_tokens(settings: Settings) -> dict[str, str]:
    """Tokens of the role `service_role` that belong to no session: our own, and one of the legacy secret."""
    payload = claims(settings, uuid4(), role="service_role", session_id=None)
    return {"own": sign(settings, payload), "legacy": jwt.encode(payload, LEGACY_SECRET, algorithm="HS256")}


@pytest.mark.parametrize("kind", ["own", "legacy"])
@pytest.mark.parametrize("place", ["both", "apikey", "bearer"])
async def test_a_service_token_opens(auto: Project, service_tokens: dict[str, str], kind: str, place: str) -> None:
    good(await auto.http.get("/auth/v1/admin/users?per_page=1", headers=headers(service_tokens[kind], place)))


@pytest.mark.parametrize("place", ["both", "apikey", "bearer"])
async def test_a_secret_key_opens(auto: Project, place: str) -> None:
    good(await auto.http.get("/auth/v1/admin/users?per_page=1", headers=headers(auto.secret, place)))


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_else_gets_anywhere(auto: Project, grace: Json, method: str, path: str) -> None:
    refused(await auto.http.request(method, f"/auth/v1/{path}", json={}), 401, "no_authorization")
    refused(await auto.call(method, path, json={}), 403, "not_admin", "User not allowed")
    refused(await auto.call(method, path, json={}, token=grace["access_token"]), 403, "not_admin")
    refused(await auto.call(method, path, json={}, token="nonsense"), 403, "not_admin")


async def test_a_service_token_has_to_be_good(auto: Project, settings: Settings) -> None:
    payload = claims(settings, uuid4(), role="service_role", session_id=None)
    expired = sign(settings, {**payload, "exp": int(time.time()) - 60})
    elsewhere = sign(settings, {**payload, "iss": "https://elsewhere.example/auth/v1"})
    forged = jwt.encode(payload, "x" * 40, algorithm="HS256")
    for token in (expired, elsewhere, forged):
        refused(await auto.http.get("/auth/v1/admin/users", headers=headers(token, "bearer")), 403, "not_admin")
        refused(await auto.http.get("/auth/v1/admin/users", headers=headers(token, "apikey")), 401, "no_authorization")


async def test_a_service_token_opens_nothing_of_the_api(auto: Project, service_tokens: dict[str, str]) -> None:
    for token in [*service_tokens.values(), auto.secret]:
        answer = await auto.http.get("/api/v1/tasks", headers=headers(token, "both"))
        assert answer.status_code == 401


@pytest.mark.parametrize("end", ["signed out", "banned", "deleted"])
@pytest.mark.parametrize("place", ["apikey", "bearer"])
async def test_a_service_account_loses_its_rights_at_once(
    auto: Project, admin: Admin, grace: Json, email: str, end: str, place: str
) -> None:
    admin.execute("update auth.users set role = 'service_role' where email = %s", (email,))
    token = good(await auto.sign_in(email))["access_token"]
    good(await auto.http.get("/auth/v1/admin/users?per_page=1", headers=headers(token, place)))
    admin.execute(
        {
            "signed out": "delete from auth.sessions where user_id = %s",
            "banned": "update auth.users set banned_until = now() + interval '1 day' where id = %s",
            "deleted": "delete from auth.users where id = %s",
        }[end],
        (grace["user"]["id"],),
    )
    status, code = (403, "not_admin") if place == "bearer" else (401, "no_authorization")
    refused(await auto.http.get("/auth/v1/admin/users", headers=headers(token, place)), status, code)


async def test_a_personal_access_token_opens_nothing_here(auto: Project, grace: Json) -> None:
    session = {"Authorization": f"Bearer {grace['access_token']}"}
    form = {"name": "script", "scopes": ["tasks:read", "tasks:write"]}
    made = await auto.http.post("/api/v1/tokens", json=form, headers=session)
    token = made.json()["data"]["token"]
    for method, path in ROUTES:
        refused(await auto.call(method, path, json={}, token=token), 403, "not_admin")
        refused(await auto.call(method, path, json={}, key=token), 401, "no_authorization", "Invalid API key")
    for method, path in (("GET", "user"), ("PUT", "user"), ("POST", "logout"), ("GET", "reauthenticate")):
        refused(await auto.call(method, path, json={}, token=token), 403, "bad_jwt")


async def test_what_a_user_claims_moves_no_role(auto: Project) -> None:
    session = await auto.sign_up(data={"role": "service_role", "is_admin": True})
    refused(await auto.call("GET", "admin/users", token=session["access_token"]), 403, "not_admin")


def test_a_key_is_known_by_its_digest_alone() -> None:
    for kind in KeyKind:
        key = generate(kind)
        assert key.startswith(f"sb_{kind}_")
        assert key not in digest(key)
        assert len(digest(key)) == 64
    assert digest("\ud800") != digest("")


def headers(token: str, place: str) -> dict[str, str]:
    bearer, apikey = {"Authorization": f"Bearer {token}"}, {"apikey": token}
    return {"bearer": bearer, "apikey": apikey, "both": {**bearer, **apikey}}[place]
