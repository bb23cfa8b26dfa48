"""Access tokens: Supabase's claims and no others, signed by whatever key is in use."""

import json
import time

import jwt
import pytest
from jwt import PyJWK

from api_main.core.settings import Settings
from tests.auth.forge import new_key
from tests.protocol.project import LEGACY_SECRET, Json, Project, claims_of, good, running

API = "/api/v1/tasks"


async def test_the_claims_are_those_of_supabase(auto: Project, grace: Json) -> None:
    claims, user, now = claims_of(grace), grace["user"], int(time.time())
    assert claims == {
        "iss": "http://api.test/auth/v1",
        "sub": user["id"],
        "aud": "authenticated",
        "exp": claims["iat"] + 1800,
        "iat": pytest.approx(now, abs=60),
        "email": user["email"],
        "phone": "",
        "app_metadata": user["app_metadata"],
        "user_metadata": user["user_metadata"],
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": pytest.approx(now, abs=60)}],
        "session_id": claims["session_id"],
        "is_anonymous": False,
    }
    assert (grace["expires_at"], grace["expires_in"]) == (claims["exp"], 1800)


async def test_anonymous_people_say_so_in_their_token(auto: Project) -> None:
    claims = claims_of(await auto.sign_up_anonymously())
    assert (claims["is_anonymous"], claims["email"], claims["role"]) == (True, "", "authenticated")
    assert claims["amr"][0]["method"] == "anonymous"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_the_published_key_verifies_what_is_signed(settings: Settings, algorithm: str) -> None:
    key, before = new_key(algorithm), {**new_key("ES256"), "key_ops": ["verify"]}
    keys = json.dumps({"keys": [before, key]})
    async with running(settings, jwt_signing_keys=keys, email_autoconfirm=True) as project:
        session = await project.sign_up()
        token = session["access_token"]
        header = jwt.get_unverified_header(token)
        assert (header["alg"], header["kid"]) == (algorithm, key["kid"])
        published = good(await project.call("GET", ".well-known/jwks.json"))["keys"]
        assert [entry["kid"] for entry in published] == [before["kid"], key["kid"]]
        assert not any({"d", "p", "q", "k"} & entry.keys() for entry in published)
        [public] = [entry for entry in published if entry["kid"] == header["kid"]]
        jwt.decode(token, PyJWK.from_dict(public), audience="authenticated")
        good(await project.user(token))
        link_key = project.app.state.links._tokens.link("a", "b")
        assert len(link_key) == 64


def legacy(**changes: object) -> str:
    now = int(time.time())
    claims = {"iss": "supabase", "ref": "x", "role": "service_role", "iat": now - 60, "exp": now + 60, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, LEGACY_SECRET, algorithm="HS256")


async def test_a_legacy_user_token_is_a_user(auto: Project, grace: Json) -> None:
    token = jwt.encode(claims_of(grace), LEGACY_SECRET, algorithm="HS256")
    assert good(await auto.user(token))["id"] == grace["user"]["id"]
    answer = await auto.http.get(API, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


async def test_without_a_legacy_secret_hs256_is_nobody(confirming: Project, grace: Json) -> None:
    for secret in (LEGACY_SECRET, ""):
        token = jwt.encode(claims_of(grace), secret or "x" * 32, algorithm="HS256")
        assert (await confirming.user(token)).status_code == 403
    assert (await confirming.call("GET", "settings", key=legacy())).status_code == 401


async def test_the_legacy_secret_signs_nothing_of_es256(auto: Project, grace: Json, signing_key: Json) -> None:
    """A public key as HMAC secret is the classic confusion; a legacy signature under ES256 another."""
    public = PyJWK.from_dict({name: signing_key[name] for name in ("kty", "crv", "x", "y", "alg")})
    assert public.algorithm_name == "ES256"
    confused = jwt.encode(
        claims_of(grace), json.dumps(signing_key["x"]), algorithm="HS256", headers={"kid": signing_key["kid"]}
    )
    assert (await auto.user(confused)).status_code == 403
    head, _, _ = jwt.encode(claims_of(grace), LEGACY_SECRET, algorithm="HS256").partition(".")
    _, body, signature = grace["access_token"].split(".")
    assert (await auto.user(f"{head}.{body}.{signature}")).status_code == 403


@pytest.mark.parametrize("exp", [None, "later"])
async def test_long_lived_legacy_keys_are_keys_on_auth_and_nothing_elsewhere(auto: Project, exp: str | None) -> None:
    expiry = None if exp is None else int(time.time()) + 10**9
    anon, service = legacy(role="anon", exp=expiry), legacy(exp=expiry)
    good(await auto.call("GET", "settings", key=anon))
    good(await auto.call("GET", "admin/users?per_page=1", key=service))
    assert (await auto.call("GET", "admin/users", key=anon)).status_code == 403
    assert (await auto.user(service)).status_code == 403
    for key in (anon, service):
        answer = await auto.http.get(API, headers={"Authorization": f"Bearer {key}", "apikey": key})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"role": "authenticated"},
        {"role": "postgres"},
        {"role": None},
        {"role": ["service_role"]},
        {"nbf": 2**40},
        {"exp": "soon"},
    ],
)
async def test_no_other_legacy_token_is_a_key(auto: Project, changes: Json) -> None:
    answer = await auto.call("GET", "settings", key=legacy(**changes))
    assert answer.status_code == 401, answer.text


async def test_a_legacy_key_of_another_secret_is_none(auto: Project) -> None:
    for key in (
        jwt.encode({"role": "service_role"}, "y" * 40, algorithm="HS256"),
        "eyJ",
        "eyJ.eyJ.x",
        "eyJhbGciOiJub25lIn0.e30.",
    ):
        assert (await auto.call("GET", "settings", key=key)).status_code == 401
