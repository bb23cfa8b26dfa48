"""Sessions that end before their tokens do: refused at once where it counts, and everywhere within seconds."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api_main.core.settings import Settings
from tests.clock import Clock
from tests.conftest import NewPerson
from tests.people import Person, claims, sign
from tests.revocation.stage import AUTH, ENDS, SECONDS, TASKS, Admin, End, Looks, Stage, serve


@pytest.fixture
async def stage(settings: Settings, clock: Clock) -> AsyncIterator[Stage]:
    async with serve(settings, revocation_seconds=SECONDS) as stage:
        yield stage


@pytest.fixture
async def strict(settings: Settings) -> AsyncIterator[Stage]:
    async with serve(settings, revocation_strict=True) as stage:
        yield stage


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_whoever_lost_access_is_refused_within_the_bound(
    stage: Stage, clock: Clock, admin: Admin, ada: Person, end: End
) -> None:
    assert (await stage.read(ada), await stage.write(ada)) == (200, 201)
    end(admin, ada)
    clock.advance(SECONDS + 1)
    for _ in range(2):
        answer = await stage.http.get(TASKS, headers=ada.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "session_ended")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert await stage.write(ada) == 401


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_routes_of_accounts_refuse_them_at_once(stage: Stage, admin: Admin, ada: Person, end: End) -> None:
    assert await stage.read_me(ada) == 200
    end(admin, ada)
    assert await stage.read_me(ada) == 401
    assert await stage.read(ada) == 401, "what a look has shown counts everywhere"


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_strictness_refuses_them_at_once_everywhere(strict: Stage, admin: Admin, ada: Person, end: End) -> None:
    assert (await strict.read(ada), await strict.write(ada), await strict.read_me(ada)) == (200, 201, 200)
    end(admin, ada)
    assert (await strict.read(ada), await strict.write(ada), await strict.read_me(ada)) == (401, 401, 401)


async def test_a_ban_that_is_lifted_is_over_within_the_bound(
    stage: Stage, clock: Clock, admin: Admin, ada: Person
) -> None:
    ENDS["banned"](admin, ada)
    assert await stage.read(ada) == 401
    admin.execute("update auth.users set banned_until = null where id = %s", (ada.id,))
    clock.advance(SECONDS + 1)
    assert await stage.read(ada) == 200


async def test_other_sessions_of_the_account_live_on(
    stage: Stage, clock: Clock, admin: Admin, settings: Settings, ada: Person
) -> None:
    [[second]] = admin.execute("insert into auth.sessions (user_id) values (%s) returning id", (ada.id,)).fetchall()
    phone = Person(ada.id, ada.email, second, sign(settings, claims(settings, ada.id, second)))
    assert (await stage.read(ada), await stage.read(phone)) == (200, 200)
    ENDS["signed out"](admin, ada)
    clock.advance(SECONDS + 1)
    assert (await stage.read(ada), await stage.read(phone)) == (401, 200)


async def test_signing_out_here_is_felt_here_at_once(stage: Stage, ada: Person) -> None:
    assert await stage.read(ada) == 200
    assert (await stage.http.post(f"{AUTH}/logout", headers=ada.headers)).status_code == 204
    assert await stage.read(ada) == 401


async def test_nobody_borrows_the_session_of_another(
    stage: Stage, settings: Settings, ada: Person, bob: Person
) -> None:
    assert await stage.read(ada) == 200
    borrowed = Person(bob.id, bob.email, ada.session, sign(settings, claims(settings, bob.id, ada.session)))
    assert await stage.read(borrowed) == 401
    assert await stage.read(ada) == 200


async def test_a_session_is_looked_up_once_per_period_however_many_ask(
    stage: Stage, clock: Clock, looks: Looks, ada: Person, bob: Person
) -> None:
    for period in range(1, 4):
        answers = await asyncio.gather(*(stage.read(person) for person in (ada, bob) for _ in range(50)))
        assert set(answers) == {200}
        clock.advance(SECONDS - 1)
        await asyncio.gather(*(stage.write(person) for person in (ada, bob)))
        assert looks.count == 2 * period
        clock.advance(2)


async def test_a_refusal_is_remembered_too(stage: Stage, admin: Admin, looks: Looks, ada: Person) -> None:
    """Else every request with a dead token would cost a look."""
    ENDS["signed out"](admin, ada)
    assert {await stage.read(ada) for _ in range(10)} == {401}
    assert looks.count == 1


async def test_strictness_looks_at_every_request_and_a_reader_in_the_same_round_trip(
    strict: Stage, looks: Looks, ada: Person
) -> None:
    answers = await asyncio.gather(*(strict.read(ada) for _ in range(20)))
    assert (set(answers), looks.count, looks.alone) == ({200}, 20, 0)
    answers = await asyncio.gather(*(strict.write(ada) for _ in range(20)))
    assert (set(answers), looks.count, looks.alone) == ({201}, 40, 20)


async def test_a_verdict_holds_while_the_database_is_away_and_then_nothing_does(
    stage: Stage, clock: Clock, looks: Looks, ada: Person
) -> None:
    principal = await stage.app.state.verifier.verify(ada.token)
    assert await stage.read(ada) == 200
    looks.away = True
    clock.advance(SECONDS - 1)
    await stage.revocations.check(principal)
    clock.advance(2)
    answers = [await stage.http.post(TASKS, json={"title": "x"}, headers=ada.headers) for _ in range(2)]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {
        (503, "database_unavailable")
    }
    assert answers[0].headers["Retry-After"]
    looks.away = False
    assert await stage.write(ada) == 201, "a failure is not remembered"


async def test_a_hundred_share_one_failure(stage: Stage, looks: Looks, ada: Person) -> None:
    looks.away = True
    assert set(await asyncio.gather(*(stage.read(ada) for _ in range(100)))) == {503}
    looks.away = False
    assert await stage.read(ada) == 200


async def test_the_first_to_ask_may_hang_up(stage: Stage, looks: Looks, ada: Person) -> None:
    principal = await stage.app.state.verifier.verify(ada.token)
    first = asyncio.create_task(stage.revocations.check(principal))
    others = [asyncio.create_task(stage.revocations.check(principal)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*others)
    assert (first.cancelled(), looks.count) == (True, 1)


async def test_a_failure_of_which_nobody_wants_to_hear_any_more_is_no_trouble(
    stage: Stage, looks: Looks, ada: Person, complaints: list[dict[str, Any]]
) -> None:
    principal = await stage.app.state.verifier.verify(ada.token)
    looks.away = True
    looks.open.clear()
    only = asyncio.create_task(stage.revocations.check(principal))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    [(look, _tags)] = stage.app.state.cache._loads.values()
    only.cancel()
    looks.open.set()
    await asyncio.wait([only, look])
    del only, look
    await asyncio.sleep(0)  # its end is noticed
    gc.collect()
    assert complaints == []
    assert not stage.app.state.cache._loads


async def test_the_time_of_a_verdict_runs_from_the_beginning_of_the_look(
    stage: Stage, clock: Clock, looks: Looks, ada: Person
) -> None:
    principal = await stage.app.state.verifier.verify(ada.token)
    looks.open.clear()
    look = asyncio.create_task(stage.revocations.check(principal))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(SECONDS + 1)
    looks.open.set()
    await look
    await stage.revocations.check(principal)
    assert looks.count == 2


async def test_tokens_without_a_session_are_not_looked_up(
    stage: Stage, looks: Looks, settings: Settings, new_person: NewPerson
) -> None:
    person = new_person()
    unbound = claims(settings, person.id)
    del unbound["session_id"]
    token = sign(settings, unbound)
    assert (await stage.http.get(TASKS, headers={"Authorization": f"Bearer {token}"})).status_code == 200
    assert looks.count == 0


async def test_a_personal_token_is_as_strict_as_the_rest(strict: Stage, admin: Admin, ada: Person) -> None:
    form = {"name": "script", "scopes": ["tasks:read"]}
    made = await strict.http.post("/api/v1/tokens", json=form, headers=ada.headers)
    headers = {"Authorization": f"Bearer {made.json()['data']['token']}"}
    assert (await strict.http.get(TASKS, headers=headers)).status_code == 200
    ENDS["banned"](admin, ada)
    assert (await strict.http.get(TASKS, headers=headers)).status_code == 401


def test_the_bound_is_thirty_seconds_unless_it_is_set(settings: Settings) -> None:
    assert (settings.revocation_seconds, settings.revocation_strict) == (30, False)
