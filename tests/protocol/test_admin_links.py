"""`/admin/generate_link` and `/invite`: links that administrators make."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.protocol.project import PASSWORD, SITE, Json, Project, fragment_of, good, new_email, refused, token_in


async def generate(project: Project, kind: str, email: str, **form: str) -> Json:
    return good(await project.administer("POST", "generate_link", json={"type": kind, "email": email, **form}))


@pytest.mark.parametrize(("kind", "becomes"), [("signup", "signup"), ("invite", "invite"), ("magiclink", "signup")])
async def test_a_link_for_a_new_email_makes_an_account(confirming: Project, kind: str, becomes: str) -> None:
    email = new_email()
    made = await generate(confirming, kind, email.upper(), password=PASSWORD)
    assert (made["email"], made["verification_type"], made["redirect_to"]) == (email, becomes, SITE)
    query = parse_qs(urlsplit(made["action_link"]).query)
    assert query == {"token": [made["hashed_token"]], "type": [becomes], "redirect_to": [SITE]}
    assert ("invited_at" in made) == (kind == "invite")
    assert made["confirmation_sent_at"]
    assert confirming.mails(email) == []
    session = fragment_of(await confirming.http.get(made["action_link"]))
    assert good(await confirming.user(session["access_token"]))["id"] == made["id"]
    good(await confirming.sign_in(email))


@pytest.mark.parametrize("kind", ["magiclink", "recovery"])
async def test_a_link_or_its_code_signs_a_known_email_in(auto: Project, grace: Json, email: str, kind: str) -> None:
    made = await generate(auto, kind, email)
    assert (made["id"], made["verification_type"]) == (grace["user"]["id"], kind)
    form = {"type": kind, "email": email, "token": made["email_otp"]}
    assert good(await auto.post("verify", form))["user"]["id"] == made["id"]
    refused(await auto.post("verify", {"type": kind, "token_hash": made["hashed_token"]}), 403, "otp_expired")


async def test_an_unconfirmed_account_may_be_invited_again(confirming: Project) -> None:
    email = new_email()
    first = await generate(confirming, "invite", email)
    second = good(
        await confirming.administer(
            "POST", "generate_link", json={"type": "signup", "email": email, "data": {"full_name": "Ada"}}
        )
    )
    assert (second["id"], second["user_metadata"]) == (first["id"], {"full_name": "Ada"})


async def test_an_invitation_leaves_no_password_of_somebody_who_was_there_before(confirming: Project) -> None:
    email = new_email()
    await confirming.sign_up(email)  # by somebody else, who hopes
    made = await generate(confirming, "invite", email)
    good(await confirming.post("verify", {"type": "invite", "token_hash": made["hashed_token"]}))
    refused(await confirming.sign_in(email), 400, "invalid_credentials")


async def test_a_link_that_makes_no_sense_is_refused(auto: Project, email: str) -> None:
    for form, status, code in (
        ({"type": "recovery", "email": new_email()}, 404, "user_not_found"),
        ({"type": "signup", "email": email}, 422, "email_exists"),
        ({"type": "invite", "email": email}, 422, "email_exists"),
        ({"type": "email_change", "email": email}, 400, "validation_failed"),
        ({"type": "sms", "email": email}, 400, "validation_failed"),
        ({"type": "signup"}, 400, "validation_failed"),
        ({"email": email}, 400, "validation_failed"),
        ({"type": "signup", "email": new_email(), "password": "short"}, 422, "weak_password"),
        ({"type": "email_change_new", "email": email}, 400, "validation_failed"),
        ({"type": "email_change_new", "email": email, "new_email": email}, 422, "email_exists"),
        ({"type": "email_change_current", "email": new_email(), "new_email": new_email()}, 404, "user_not_found"),
    ):
        refused(await auto.administer("POST", "generate_link", json=form), status, code)


async def test_both_links_of_a_new_email_can_be_made(auto: Project, email: str) -> None:
    wanted = new_email()
    for kind in ("email_change_current", "email_change_new"):
        made = await generate(auto, kind, email, new_email=wanted)
        assert (made["new_email"], made["verification_type"]) == (wanted, kind)
        answer = good(await auto.post("verify", {"type": "email_change", "token_hash": made["hashed_token"]}))
    assert answer["user"]["email"] == wanted


@pytest.mark.parametrize("place", ["query", "body"])
@pytest.mark.parametrize("wanted", ["app://welcome", "https://evil.example"])
async def test_the_target_may_be_said_in_query_or_body(confirming: Project, place: str, wanted: str) -> None:
    form = {"type": "magiclink", "email": new_email(), **({"redirect_to": wanted} if place == "body" else {})}
    params = {"redirect_to": wanted} if place == "query" else {}
    made = good(await confirming.administer("POST", "generate_link", json=form, params=params))
    assert made["redirect_to"] == (wanted if wanted == "app://welcome" else SITE)


async def test_an_invitation_is_mailed_and_opens_an_account(confirming: Project) -> None:
    email = new_email()
    form = {"email": email, "data": {"team": "red"}}
    user = good(await confirming.post("invite?redirect_to=app://welcome", form, key=confirming.secret))
    assert user["invited_at"]
    assert user["user_metadata"] == {"team": "red"}
    [mail] = confirming.mails(email)
    assert "app%3A%2F%2Fwelcome" in mail.html
    session = good(await confirming.post("verify", {"type": "invite", "token_hash": token_in(mail)}))
    good(await confirming.change(session["access_token"], password=PASSWORD))
    good(await confirming.sign_in(email))
    refused(await confirming.post("invite", {"email": email}, key=confirming.secret), 422, "email_exists")
