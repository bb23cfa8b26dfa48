"""Answers of the real application in the language of whom they are for."""

from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.i18n import LANGUAGES, translate
from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.people import Person, claims, sign
from tests.protocol.conftest import auto
from tests.protocol.project import Project

__all__ = ["auto"]

TASKS = "/api/v1/tasks"
NO_TASK = f"{TASKS}/00000000-0000-4000-8000-000000000000"


async def get(
    http: httpx.AsyncClient, path: str, accepted: str | None = None, who: Person | None = None
) -> httpx.Response:
    headers = who.headers if who else {}
    return await http.get(path, headers=headers if accepted is None else {**headers, "Accept-Language": accepted})


def vary(answer: httpx.Response) -> set[str]:
    return {name.strip() for line in answer.headers.get_list("vary") for name in line.split(",")}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_error_is_said_in_the_language_that_is_accepted(
    client: httpx.AsyncClient, ada: Person, language: str
) -> None:
    answer = await get(client, NO_TASK, f"{language}, en;q=0.1", ada)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "task_not_found")
    assert error["message"] == translate("There is no such task.", language)
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in vary(answer)


@pytest.mark.parametrize(
    ("path", "code"), [(TASKS, "unauthenticated"), ("/nope", "not_found"), ("/api/tasks?x", "unauthenticated")]
)
async def test_strangers_are_understood_too(client: httpx.AsyncClient, path: str, code: str) -> None:
    answer = await get(client, path, "ja-JP,ja;q=0.9")
    english = await get(client, path)
    assert answer.json()["error"]["code"] == english.json()["error"]["code"] == code
    assert answer.json()["error"]["message"] == translate(english.json()["error"]["message"], "ja")
    assert (answer.headers["content-language"], english.headers["content-language"]) == ("ja", "en")


async def test_what_has_no_words_for_people_depends_on_no_language(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await get(client, TASKS, "de", ada)
    assert answer.status_code == 200
    assert "content-language" not in answer.headers
    assert "Accept-Language" not in vary(answer)


async def test_every_fault_of_input_is_explained(client: httpx.AsyncClient, ada: Person) -> None:
    form: dict[str, Any] = {"title": "", "priority": "soon", "due_at": 7, "colour": "red"}
    headers = {**ada.headers, "Accept-Language": "de"}
    error = (await client.post(TASKS, json=form, headers=headers)).json()["error"]
    said = {fault["field"]: (fault["code"], fault["message"]) for fault in error["details"]}
    assert said == {
        "title": ("string_too_short", "Der Text muss mindestens 1 Zeichen lang sein"),
        "priority": ("enum", "Die Eingabe muss 'low', 'medium', 'high' oder 'urgent' sein"),
        "due_at": (
            "value_error",
            "Bitte geben Sie Datum, Uhrzeit und Zeitzone an, etwa 2026-12-01T09:00:00+01:00",
        ),
        "colour": ("extra_forbidden", "Zusätzliche Angaben sind nicht erlaubt"),
    }
    assert error["message"] == error["details"][0]["message"]


async def test_a_fault_with_values_keeps_them(client: httpx.AsyncClient, ada: Person) -> None:
    headers = {**ada.headers, "Accept-Language": "fr"}
    error = (await client.post(f"{TASKS}/bulk", json={}, headers=headers)).json()["error"]
    assert error["message"] == "Entre 1 et 1000 écritures sont autorisées"
    query = (await client.get(f"{TASKS}?limit=101", headers=headers)).json()["error"]
    assert query["message"] == "La valeur doit être inférieure ou égale à 100"


async def test_an_error_of_middleware_is_translated_as_well(client: httpx.AsyncClient, ada: Person) -> None:
    headers = {**ada.headers, "Accept-Language": "es", "Content-Type": "application/json"}
    answer = await client.post(TASKS, content=b" " * (1024 * 1024 + 1), headers=headers)
    assert answer.json()["error"]["message"] == "El cuerpo de la solicitud es demasiado grande."
    unknown = await client.get("/api/tasks", headers={**headers, "X-API-Version": "v9"})
    assert unknown.json()["error"]["message"] == "Esta versión de la API no existe."


@pytest.mark.parametrize("accepted", [None, "tlh", "*", "q=x;;"])
async def test_the_profiles_locale_decides_where_the_request_does_not(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], ada: Person, accepted: str | None
) -> None:
    admin.execute("update public.profiles set locale = 'pt-BR' where id = %s", (ada.id,))
    answer = await get(client, NO_TASK, accepted, ada)
    assert answer.json()["error"]["message"] == "Esta tarefa não existe."
    assert answer.headers["content-language"] == "pt"


async def test_the_request_comes_before_the_profile(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], ada: Person
) -> None:
    admin.execute("update public.profiles set locale = 'pt-BR' where id = %s", (ada.id,))
    assert (await get(client, NO_TASK, "de", ada)).headers["content-language"] == "de"
    assert (await get(client, NO_TASK, "*, pt;q=0", ada)).headers["content-language"] == "en"


async def test_a_changed_profile_is_answered_in_its_language_at_once(client: httpx.AsyncClient, ada: Person) -> None:
    assert (await get(client, NO_TASK, who=ada)).headers["content-language"] == "en"
    await client.patch("/api/v1/auth/me", json={"locale": "ar"}, headers=ada.headers)
    assert (await get(client, NO_TASK, who=ada)).headers["content-language"] == "ar"


async def test_a_token_may_say_it_without_a_look_at_the_profile(
    client: httpx.AsyncClient, settings: Settings, new_person: NewPerson
) -> None:
    grace = new_person()
    token = sign(settings, claims(settings, grace.id, grace.session, user_metadata={"locale": "ja-JP"}))
    answer = await client.get(NO_TASK, headers={"Authorization": f"Bearer {token}"})
    assert answer.headers["content-language"] == "ja"


@pytest.mark.parametrize("metadata", [None, {}, {"locale": 7}, {"locale": "tlh"}, {"locale": ""}, "de"], ids=repr)
async def test_metadata_is_anybodys_to_write(
    client: httpx.AsyncClient, settings: Settings, new_person: NewPerson, metadata: Any
) -> None:
    grace = new_person()
    token = sign(settings, claims(settings, grace.id, grace.session, user_metadata=metadata))
    answer = await client.get(NO_TASK, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["content-language"]) == (404, "en")


async def test_the_protocol_keeps_its_codes_and_form(auto: Project) -> None:
    form = {"email": "nobody@example.com", "password": "wrong"}
    english = await auto.post("token?grant_type=password", form)
    german = await auto.post("token?grant_type=password", form, headers={"Accept-Language": "de-CH"})
    assert english.json() == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
    assert german.json() == {**english.json(), "msg": "Die Anmeldedaten sind ungültig"}
    assert german.headers["content-language"] == "de"


async def test_a_link_that_is_no_good_says_so_in_the_readers_language(auto: Project) -> None:
    answer = await auto.http.get("/auth/v1/verify?token=x&type=signup", headers={"Accept-Language": "fr"})
    assert answer.status_code == 303
    assert "error_description=Le+lien" in answer.headers["location"] or "expir" in answer.headers["location"]
    assert answer.headers["content-language"] == "fr"
