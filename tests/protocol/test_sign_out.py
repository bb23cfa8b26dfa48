"""`POST /logout`: exactly the sessions of its scope end, and with them their access tokens, at once."""

import pytest

from tests.protocol.project import Json, Project, good, refused

ENDED = {
    "": ("this", "other"),
    "?scope=global": ("this", "other"),
    "?scope=local": ("this",),
    "?scope=others": ("other",),
}


@pytest.mark.parametrize("scope", ENDED)
async def test_a_scope_ends_its_sessions_and_no_others(auto: Project, grace: Json, email: str, scope: str) -> None:
    sessions = {"this": grace, "other": good(await auto.sign_in(email))}
    bystander = await auto.sign_up()
    answer = await auto.call("POST", f"logout{scope}", token=grace["access_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    for name, session in sessions.items():
        if name in ENDED[scope]:
            refused(await auto.user(session["access_token"]), 403, "session_not_found")
            refused(await auto.refresh(session["refresh_token"]), 400, "refresh_token_not_found")
        else:
            good(await auto.user(session["access_token"]))
            good(await auto.refresh(session["refresh_token"]))
    good(await auto.user(bystander["access_token"]))


async def test_an_unknown_scope_ends_nothing(auto: Project, grace: Json) -> None:
    refused(await auto.call("POST", "logout?scope=all", token=grace["access_token"]), 400, "validation_failed")
    good(await auto.user(grace["access_token"]))


async def test_nobody_signs_out_twice_or_without_a_token(auto: Project, grace: Json) -> None:
    await auto.call("POST", "logout", token=grace["access_token"])
    refused(await auto.call("POST", "logout", token=grace["access_token"]), 403, "session_not_found")
    refused(await auto.http.post("/auth/v1/logout"), 401, "no_authorization")
