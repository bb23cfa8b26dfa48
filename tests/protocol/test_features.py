"""What is offered, what says that it is switched off, and what is not there at all."""

from typing import Any

import pytest

from tests.protocol.project import PASSWORD, Project, good, refused

OFF = {
    "GET authorize?provider=github": (400, "validation_failed"),
    "GET callback": (400, "validation_failed"),
    "POST callback": (400, "validation_failed"),
    "POST sso": (404, "saml_provider_disabled"),
    "GET sso/saml/metadata": (404, "saml_provider_disabled"),
    "POST sso/saml/acs": (404, "saml_provider_disabled"),
    "GET admin/sso/providers": (404, "sso_provider_disabled"),
    "POST factors": (422, "mfa_totp_enroll_not_enabled"),
    "DELETE factors/1": (422, "mfa_totp_enroll_not_enabled"),
    "POST factors/1/challenge": (422, "mfa_totp_enroll_not_enabled"),
    "GET admin/users/6d5c8b1e-0000-4000-8000-000000000000/factors": (422, "mfa_totp_enroll_not_enabled"),
    "GET admin/users/6d5c8b1e-0000-4000-8000-000000000000/passkeys": (422, "passkey_disabled"),
    "POST passkeys/registration/options": (422, "passkey_disabled"),
    "PATCH passkeys/1": (422, "passkey_disabled"),
    "GET user/identities/authorize": (404, "manual_linking_disabled"),
    "DELETE user/identities/1": (404, "manual_linking_disabled"),
    "GET user/oauth/grants": (404, "feature_disabled"),
    "GET oauth/authorize": (404, "feature_disabled"),
    "POST oauth/token": (404, "feature_disabled"),
    "GET admin/oauth/clients": (404, "feature_disabled"),
    "POST admin/custom-providers": (400, "validation_failed"),
    "GET .well-known/oauth-authorization-server": (404, "feature_disabled"),
    "GET .well-known/openid-configuration": (404, "feature_disabled"),
    "GET scim/v2/Users": (404, "feature_disabled"),
    "GET admin/scim-providers": (404, "feature_disabled"),
    "POST web3": (422, "web3_provider_disabled"),
}


@pytest.mark.parametrize("request_line", OFF)
async def test_what_we_do_not_offer_says_so(auto: Project, request_line: str) -> None:
    method, _, path = request_line.partition(" ")
    body = refused(await auto.call(method, path), *OFF[request_line])
    assert "page not found" not in body["msg"]


@pytest.mark.parametrize("request_line", ["GET nonsense", "POST signup/x", "GET authorizes", "DELETE users"])
async def test_what_is_not_there_is_not_found_in_the_protocols_form(auto: Project, request_line: str) -> None:
    method, _, path = request_line.partition(" ")
    refused(await auto.call(method, path), 404, "not_found", "404 page not found")


async def test_the_settings_say_what_is_on(auto: Project, confirming: Project) -> None:
    settings = good(await auto.http.get("/auth/v1/settings"))
    assert {name for name, on in settings["external"].items() if on} == {"email", "anonymous_users"}
    assert settings["external"]["github"] is False
    assert (settings["mailer_autoconfirm"], settings["disable_signup"]) == (True, False)
    assert settings["phone_autoconfirm"] is settings["saml_enabled"] is False
    assert good(await confirming.call("GET", "settings"))["mailer_autoconfirm"] is False


async def test_health_names_the_protocol_and_our_own_version(auto: Project) -> None:
    health = good(await auto.http.get("/auth/v1/health"))
    assert health.keys() == {"version", "name", "description"}
    assert (health["name"], health["version"]) == ("GoTrue", f"v{auto.app.version}")


async def test_the_keys_are_public_and_may_be_kept_ten_minutes(auto: Project, signing_key: dict[str, Any]) -> None:
    answer = await auto.http.get("/auth/v1/.well-known/jwks.json")
    [key] = good(answer)["keys"]
    assert answer.headers["cache-control"] == "public, max-age=600"
    public = {name: signing_key[name] for name in ("kty", "crv", "x", "y", "kid", "alg")}
    assert key == {**public, "use": "sig", "key_ops": ["verify"]}


async def test_the_api_itself_has_the_same_accounts(auto: Project, email: str) -> None:
    answer = await auto.http.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    session = answer.json()["data"]
    assert good(await auto.user(session["access_token"]))["email"] == email
    good(await auto.refresh(session["refresh_token"]))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", ".well-known/jwks.json", "GET"),
        ("PATCH", "token", "POST"),
        ("DELETE", "user", "GET, PUT"),
        ("PATCH", "admin/users/6d5c8b1e-0000-4000-8000-000000000000", "GET, PUT, DELETE"),
        ("TRACE", "verify", "GET, POST"),
    ],
)
async def test_another_method_of_what_is_offered_is_a_405(auto: Project, method: str, path: str, allowed: str) -> None:
    answer = await auto.call(method, path)
    refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == set(allowed.split(", "))
