"""A request that is sent again is answered as before and not done again."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import NewPerson
from tests.idempotency.client import CREATIONS, TASKS, created, is_replay, new_key, post
from tests.people import Person
from tests.tasks.client import error_of

Admin = psycopg.Connection[Any]
FORM = {"title": "Only once"}
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


@pytest.mark.parametrize("path", CREATIONS)
async def test_a_request_that_is_sent_again_is_answered_as_before(
    client: httpx.AsyncClient, admin: Admin, ada: Person, path: str
) -> None:
    key = new_key()
    first, *others = [await post(client, ada, path, key, **CREATIONS[path]) for _ in range(3)]
    assert first.is_success, first.text
    assert not is_replay(first)
    made = created(admin, ada)
    assert made == (2 if path.endswith("bulk") else 1)
    for again in others:
        assert is_replay(again)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert [again.headers.get(name) for name in KEPT_HEADERS] == [first.headers.get(name) for name in KEPT_HEADERS]
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    another = await post(client, ada, path, new_key(), **CREATIONS[path])
    assert another.is_success
    assert created(admin, ada) == 2 * made


async def test_without_a_key_nothing_is_kept(client: httpx.AsyncClient, admin: Admin, ada: Person) -> None:
    for _ in range(2):
        assert (await post(client, ada, TASKS, None, json=FORM)).status_code == 201
    assert created(admin, ada) == 2
    assert _kept(admin, ada) == []


@pytest.mark.parametrize(
    ("path", "again"),
    [
        (TASKS, {"json": {"title": "Something else"}}),
        (TASKS, {"content": b'{"title":"Only once" }', "headers": {"Content-Type": "application/json"}}),
        ("/api/v1/jobs/import", {"content": b"title\n", "headers": {"Content-Type": "text/csv"}}),
        ("/api/v1/jobs/import?on_error=skip", CREATIONS["/api/v1/jobs/import"]),
    ],
    ids=["another body", "another spelling", "another file", "another query"],
)
async def test_a_key_is_for_one_request(
    client: httpx.AsyncClient, admin: Admin, ada: Person, path: str, again: dict[str, Any]
) -> None:
    key, first = new_key(), path.partition("?")[0]
    assert (await post(client, ada, first, key, **CREATIONS[first])).is_success
    refused = await post(client, ada, path, key, **again)
    assert error_of(refused) == (422, "idempotency_key_reused", "Idempotency-Key")
    assert created(admin, ada) == 1


async def test_a_key_counts_for_one_caller_and_one_path(
    client: httpx.AsyncClient, admin: Admin, ada: Person, bob: Person
) -> None:
    key = new_key()
    answers = [await post(client, person, path, key, **CREATIONS[path]) for person in (ada, bob) for path in CREATIONS]
    assert all(answer.is_success and not is_replay(answer) for answer in answers)
    assert created(admin, ada) == created(admin, bob) == 1 + len(CREATIONS)


async def test_a_key_counts_for_one_personal_token(client: httpx.AsyncClient, admin: Admin, ada: Person) -> None:
    key, form = new_key(), {"name": "Program", "scopes": ["tasks:write"]}
    tokens = [(await client.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"] for _ in range(2)]
    callers = [ada.headers, *({"Authorization": f"Bearer {token['token']}"} for token in tokens)]
    for headers in callers:
        answers = [await client.post(TASKS, json=FORM, headers={**headers, "Idempotency-Key": key}) for _ in range(2)]
        assert [is_replay(answer) for answer in answers] == [False, True]
    assert created(admin, ada) == len(tokens) + len(callers)


async def test_whoever_may_not_create_is_not_answered_from_the_store(client: httpx.AsyncClient, ada: Person) -> None:
    key = new_key()
    assert (await post(client, ada, TASKS, key, json=FORM)).status_code == 201
    form = {"name": "Reader", "scopes": ["tasks:read"]}
    token = (await client.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"]["token"]
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {token}"}, 403)):
        assert (await client.post(TASKS, json=FORM, headers={**headers, "Idempotency-Key": key})).status_code == status


@pytest.mark.parametrize(
    ("path", "failing", "status"),
    [
        (TASKS, {"json": {"title": ""}}, 422),
        (TASKS, {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        (f"{TASKS}/bulk", {"json": {"create": [FORM], "delete": ["00000000-0000-4000-8000-000000000000"]}}, 404),
        ("/api/v1/jobs/import", {"content": b"title\n", "headers": {"Content-Type": "text/plain"}}, 415),
    ],
    ids=["validation", "no json", "not found", "media type"],
)
async def test_a_request_that_failed_may_be_mended_and_sent_again(
    client: httpx.AsyncClient, admin: Admin, ada: Person, path: str, failing: dict[str, Any], status: int
) -> None:
    key = new_key()
    for _ in range(2):
        assert (await post(client, ada, path, key, **failing)).status_code == status
    assert _kept(admin, ada) == []
    assert (await post(client, ada, path, key, **CREATIONS[path])).is_success


async def test_a_commit_that_fails_keeps_no_answer(client: httpx.AsyncClient, admin: Admin, ada: Person) -> None:
    key, form = new_key(), {"title": "at commit"}
    admin.execute("""
      create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''at commit''; end';
      create constraint trigger refuse after insert on public.tasks deferrable initially deferred
        for each row when (new.title = 'at commit') execute function public.refuse();
    """)
    try:
        assert error_of(await post(client, ada, TASKS, key, json=form)) == (500, "internal_error", None)
    finally:
        admin.execute("drop function public.refuse cascade")
    assert (created(admin, ada), _kept(admin, ada)) == (0, [])
    answers = [await post(client, ada, TASKS, key, json=form) for _ in range(2)]
    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False), (201, True)]


@pytest.mark.parametrize(
    "key",
    ["", " ", '"', '""', '"a', 'a"', "a,b", "a b", "a\tb", '"a";p=1', "x" * 256, '"' + "x" * 256 + '"', "ä"],
    ids=lambda key: f"{key[:6]!r}",
)
async def test_a_malformed_key_is_refused(client: httpx.AsyncClient, admin: Admin, ada: Person, key: str) -> None:
    headers = httpx.Headers({**ada.headers, "Idempotency-Key": key}, encoding="latin-1")
    answer = await client.post(TASKS, json=FORM, headers=headers)
    assert error_of(answer) == (400, "invalid_idempotency_key", "Idempotency-Key")
    assert created(admin, ada) == 0


async def test_two_keys_are_none(client: httpx.AsyncClient, ada: Person) -> None:
    headers = [*ada.headers.items(), ("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = await client.post(TASKS, json=FORM, headers=headers)
    assert error_of(answer) == (400, "invalid_idempotency_key", "Idempotency-Key")


@pytest.mark.parametrize(("bare", "quoted"), [("k", '"k"'), ("x" * 255, '"' + "x" * 255 + '"')], ids=["short", "long"])
async def test_quotes_do_not_count(client: httpx.AsyncClient, ada: Person, bare: str, quoted: str) -> None:
    """The draft wants them, and most clients leave them out."""
    first, again = [await post(client, ada, TASKS, key, json=FORM) for key in (bare, quoted)]
    assert (first.json(), is_replay(again)) == (again.json(), True)


async def test_a_secret_is_kept_under_a_good_key_alone(client: httpx.AsyncClient, admin: Admin, ada: Person) -> None:
    form = CREATIONS["/api/v1/tokens"]
    refused = await post(client, ada, "/api/v1/tokens", "x" * 31, **form)
    assert error_of(refused) == (400, "invalid_idempotency_key", "Idempotency-Key")
    key = new_key()
    token = (await post(client, ada, "/api/v1/tokens", key, **form)).json()["data"]["token"]
    [row] = _kept(admin, ada)
    stored = b"".join(row)
    assert len(stored) > len(token)
    assert not any(secret.encode() in stored for secret in (key, token, "Backup"))


async def test_nobody_opens_what_somebody_has_changed(client: httpx.AsyncClient, admin: Admin, ada: Person) -> None:
    keys = [new_key(), new_key()]
    for key in keys:
        await post(client, ada, TASKS, key, json=FORM)
    admin.execute(
        "update public.idempotency_keys k set answer = other.answer from public.idempotency_keys other"
        " where k.owner_id = %(owner)s and other.owner_id = k.owner_id and other.key_digest <> k.key_digest",
        {"owner": ada.id},
    )
    assert error_of(await post(client, ada, TASKS, keys[0], json=FORM)) == (500, "internal_error", None)


async def test_after_a_day_a_key_is_as_good_as_new(client: httpx.AsyncClient, admin: Admin, ada: Person) -> None:
    key = new_key()
    await post(client, ada, TASKS, key, json=FORM)
    admin.execute(
        "update public.idempotency_keys set expires_at = expires_at - interval '24 hours' where owner_id = %s",
        (ada.id,),
    )
    answers = [await post(client, ada, TASKS, key, json={"title": "Another day"}) for _ in range(2)]
    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False), (201, True)]
    assert created(admin, ada) == 2


async def test_an_account_goes_with_its_answers(client: httpx.AsyncClient, admin: Admin, new_person: NewPerson) -> None:
    person = new_person()
    await post(client, person, TASKS, new_key(), json=FORM)
    assert len(_kept(admin, person)) == 1
    admin.execute("delete from auth.users where id = %s", (person.id,))
    assert _kept(admin, person) == []


async def test_browsers_may_send_a_key_and_see_a_replay(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    preflight = await client.options(TASKS, headers={**asked, "Access-Control-Request-Headers": "Idempotency-Key"})
    assert preflight.status_code == 200
    answer = await client.get("/health/live", headers={"Origin": "http://localhost:3000"})
    assert "Idempotency-Replayed" in answer.headers["Access-Control-Expose-Headers"]


async def test_the_document_names_every_creation(client: httpx.AsyncClient) -> None:
    """Every POST that answers 201 or 202 takes a key."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    posts = {path: item["post"] for path, item in paths.items() if "post" in item}
    taking = {
        path
        for path, post in posts.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in post.get("parameters", []))
    }
    assert taking >= set(CREATIONS)
    making = {path for path, post in posts.items() if {"201", "202"} & post["responses"].keys()}
    assert making <= taking
    for path in taking:
        assert {"400", "409", "422"} <= posts[path]["responses"].keys()


def _kept(admin: Admin, person: Person) -> list[tuple[bytes, ...]]:
    statement = "select key_digest, request_digest, answer from public.idempotency_keys where owner_id = %s"
    return admin.execute(statement, (person.id,)).fetchall()
