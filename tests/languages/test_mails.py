"""Mails in the language of whom they go to."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from api_main.auth.mail.message import MailKind, Templates
from api_main.core.i18n import LANGUAGES, translate
from tests.protocol.conftest import confirming
from tests.protocol.project import PASSWORD, Project, good, link_in, new_email

__all__ = ["confirming"]

ME = "/api/v1/auth/me"

SUBJECTS = {
    "de": "Bestätigen Sie Ihre E-Mail-Adresse",
    "ja": "メールアドレスの確認",
    "ar": "تأكيد بريدك الإلكتروني",
    "en": "Confirm your e-mail",
}


@pytest.mark.parametrize("language", SUBJECTS)
async def test_who_signs_up_gets_mail_in_the_language_of_the_request(confirming: Project, language: str) -> None:
    email = new_email()
    form = {"email": email, "password": PASSWORD}
    good(await confirming.post("signup", form, headers={"Accept-Language": f"{language},fr;q=0.1"}))
    mail = confirming.mails(email)[0]
    assert (mail.subject, mail.language) == (SUBJECTS[language], language)
    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in mail.html
    assert email in mail.html
    assert link_in(mail).startswith("http://api.test/auth/v1/verify?")


async def test_what_an_account_says_it_reads_comes_first(confirming: Project) -> None:
    email = new_email()
    await confirming.sign_up(email, data={"locale": "es-MX"})
    assert confirming.mails(email)[0].language == "es"
    good(await confirming.post("recover", {"email": email}, headers={"Accept-Language": "de"}))
    assert confirming.mails(email)[0].subject == "Restablezca su contraseña"


async def test_and_what_its_profile_says_comes_before_that(confirming: Project, admin: psycopg.Connection[Any]) -> None:
    email = new_email()
    user = await confirming.sign_up(email, data={"locale": "es-MX"})
    admin.execute("update public.profiles set locale = 'pt-BR' where id = %s", (user["id"],))
    good(await confirming.post("recover", {"email": email}, headers={"Accept-Language": "de"}))
    assert confirming.mails(email)[0].subject == "Redefina sua senha"


async def test_whoever_has_chosen_english_gets_english_until_they_choose_nothing_again(confirming: Project) -> None:
    email = new_email()
    form = {"email": email, "password": PASSWORD, "email_confirm": True, "user_metadata": {"locale": "es-MX"}}
    good(await confirming.administer("POST", "users", json=form))
    me = {"Authorization": f"Bearer {good(await confirming.sign_in(email))['access_token']}"}
    assert (await confirming.http.get(ME, headers=me)).json()["data"]["locale"] is None
    for chosen, subject in (("en", "Reset your password"), (None, "Restablezca su contraseña")):
        changed = await confirming.http.patch(ME, json={"locale": chosen}, headers=me)
        assert (changed.status_code, changed.json()["data"]["locale"]) == (200, chosen)
        good(await confirming.post("recover", {"email": email}, headers={"Accept-Language": "de"}))
        assert confirming.mails(email)[0].subject == subject


async def test_an_invitation_is_in_the_language_of_whoever_invites(confirming: Project) -> None:
    email, other = new_email(), new_email()
    headers = {"Accept-Language": "fr"}
    good(await confirming.call("POST", "invite", key=confirming.secret, json={"email": email}, headers=headers))
    form = {"email": other, "data": {"locale": "ja"}}
    good(await confirming.call("POST", "invite", key=confirming.secret, json=form, headers=headers))
    assert [confirming.mails(to)[0].language for to in (email, other)] == ["fr", "ja"]


@pytest.mark.parametrize("locale", [7, None, "tlh", {"a": 1}], ids=repr)
async def test_what_is_no_locale_of_ours_is_passed_over(confirming: Project, locale: object) -> None:
    email = new_email()
    await confirming.sign_up(email, data={"locale": locale})
    assert confirming.mails(email)[0].language == "en"


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_is_whole_in_every_language(kind: MailKind, language: str) -> None:
    values = {
        "Email": "a@b.example",
        "NewEmail": "c@d.example",
        "Token": "123456",
        "ConfirmationURL": "http://x/?a=1&b",
    }
    mail = Templates().render(kind, "a@b.example", values, language)
    english = Templates().render(kind, "a@b.example", values)
    assert "{{" not in mail.html
    assert "<strong>123456</strong>" in mail.html
    assert (mail.subject == english.subject) == (language == "en")
    assert mail.subject == translate(english.subject, language)
    assert mail.html.count("&amp;") == english.html.count("&amp;")


def test_a_folder_may_have_a_template_for_one_language(tmp_path: Path) -> None:
    (tmp_path / "recovery.html").write_text("<title>All</title>{{ .Language }}", encoding="utf-8")
    (tmp_path / "recovery.fr.html").write_text("<title>French</title>", encoding="utf-8")
    templates = Templates(tmp_path)
    subjects = {name: templates.render(MailKind.RECOVERY, "to", {}, name).subject for name in LANGUAGES}
    assert subjects == {name: "French" if name == "fr" else "All" for name in LANGUAGES}
    assert templates.render(MailKind.RECOVERY, "to", {}, "ja").html.endswith("ja")
