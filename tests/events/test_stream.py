"""`GET /tasks/events`: every change of one's own tasks, once, in order."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.events.client import EVENTS, follow
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.serving import serve
from tests.tasks.client import TasksClient

Admin = psycopg.Connection[Any]


async def test_every_change_of_a_task_is_told_with_the_task_as_it_is(
    http: httpx.AsyncClient, adas: TasksClient
) -> None:
    async with follow(http, adas.person) as stream:
        task = await adas.add("Tell me")
        made = await stream.next()
        assert (made.kind, made.data) == ("task.created", {"id": task["id"], "task": task})
        changed = (await adas.patch(task["id"], {"status": "completed"})).json()["data"]
        told = await stream.next()
        assert (told.kind, told.data) == ("task.updated", {"id": task["id"], "task": changed})
        await adas.delete(task["id"])
        gone = await stream.next()
        assert (gone.kind, gone.data) == ("task.deleted", {"id": task["id"], "task": None})
        assert [made.id, told.id, gone.id] == [1, 2, 3]


async def test_nobody_is_told_of_anothers_tasks(http: httpx.AsyncClient, adas: TasksClient, bobs: TasksClient) -> None:
    async with follow(http, adas.person) as of_ada, follow(http, bobs.person) as of_bob:
        for number in range(5):
            await adas.add(f"Ada's {number}")
        bobs_task = await bobs.add("Bob's")
        assert (await of_bob.next()).data["task"] == bobs_task
        assert {event.data["task"]["owner_id"] for event in await of_ada.take(5)} == {str(adas.person.id)}


async def test_whoever_comes_back_is_told_what_they_have_missed_and_nothing_twice(
    http: httpx.AsyncClient, adas: TasksClient
) -> None:
    async with follow(http, adas.person) as stream:
        first = await adas.add("first")
        assert (await stream.next()).data["id"] == first["id"]
        seen = stream.last_id
    missed = await adas.add_all(*({"title": f"missed {number}"} for number in range(250)))
    await adas.delete(missed[0]["id"])
    async with follow(http, adas.person, seen) as stream:
        events = await stream.take(251)
    assert [event.data["id"] for event in events] == [task["id"] for task in missed] + [missed[0]["id"]]
    assert [event.id for event in events] == list(range(2, 253))
    assert events[0].data["task"] is None  # it was created, and is gone: the last event says so
    async with follow(http, adas.person, 200) as stream:  # in the middle of what one statement has made
        assert [(await stream.next()).id for _ in range(3)] == [201, 202, 203]


async def test_the_first_event_says_where_to_go_on_though_nothing_has_happened(
    http: httpx.AsyncClient, adas: TasksClient
) -> None:
    await adas.add("before")
    async with follow(http, adas.person) as stream:
        seen = stream.last_id
    assert seen == 1
    task = await adas.add("after")
    async with follow(http, adas.person, seen) as stream:
        assert (await stream.next()).data["id"] == task["id"]


@pytest.mark.parametrize("last_id", [0, 9_999])
async def test_whoever_asks_for_what_is_no_longer_there_is_told_to_read_anew(
    http: httpx.AsyncClient, adas: TasksClient, admin: Admin, last_id: int
) -> None:
    """Longer ago than events are kept, or of a database that has been put back."""
    await adas.add_all({"title": "a"}, {"title": "b"}, {"title": "c"})
    admin.execute("update public.live_events set created_at = '-infinity' where owner_id = %s", (adas.person.id,))
    admin.execute("select private.sweep_live_events('1 h')")
    async with follow(http, adas.person, last_id) as stream:
        reset = await stream.next()
        assert (reset.kind, reset.data, reset.id) == ("reset", {"reason": "expired"}, 3)
        task = await adas.add("and then")
        assert (await stream.next()).data["id"] == task["id"]
    async with follow(http, adas.person, 3) as stream:  # up to date: nothing was lost
        assert (await stream.next()).data["id"] == task["id"]


async def test_more_than_a_thousand_at_once_are_one_event(
    http: httpx.AsyncClient, adas: TasksClient, admin: Admin
) -> None:
    async with follow(http, adas.person) as stream:
        admin.execute(
            "insert into public.tasks (owner_id, title) select %s, 'many' from generate_series(1, 1001)",
            (adas.person.id,),
        )
        many = await stream.next()
        assert (many.kind, many.data, many.id) == ("reset", {"reason": "many_changes"}, 1)
        task = await adas.add("one more")
        assert (await stream.next()).data["id"] == task["id"]


async def test_a_task_that_is_given_away_is_gone_for_one_and_new_for_the_other(
    http: httpx.AsyncClient, adas: TasksClient, bobs: TasksClient, admin: Admin
) -> None:
    task = await adas.add("a present")
    async with follow(http, adas.person) as of_ada, follow(http, bobs.person) as of_bob:
        admin.execute("update public.tasks set owner_id = %s where id = %s", (bobs.person.id, task["id"]))
        gone, come = await of_ada.next(), await of_bob.next()
    assert (gone.kind, gone.data) == ("task.deleted", {"id": task["id"], "task": None})
    assert (come.kind, come.data["task"]["owner_id"]) == ("task.created", str(bobs.person.id))


async def test_vectors_and_jobs_are_no_changes_of_tasks(
    http: httpx.AsyncClient, adas: TasksClient, admin: Admin
) -> None:
    task = await adas.add("with a vector")
    async with follow(http, adas.person) as stream:
        admin.execute(
            "insert into public.task_embeddings (task_id, owner_id, model, model_version, embedding)"
            " values (%s, %s, 'm', '1', array_fill(1, '{384}'))",
            (task["id"], adas.person.id),
        )
        admin.execute("insert into public.jobs (owner_id, kind) values (%s, 'tasks.report')", (adas.person.id,))
        after = await adas.add("the next")
        assert (await stream.next()).data["id"] == after["id"]


async def test_a_silent_stream_says_that_it_is_there(http: httpx.AsyncClient, ada: Person) -> None:
    async with follow(http, ada) as stream:
        waiting = asyncio.create_task(stream.next())
        await eventually(lambda: stream.comments >= 2)
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_person_has_so_many_streams_and_no_more(http: httpx.AsyncClient, ada: Person, bob: Person) -> None:
    async with follow(http, ada), follow(http, ada), follow(http, ada):
        refused = await http.get(EVENTS, headers=ada.headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_streams")
        assert int(refused.headers["Retry-After"]) > 0
        async with follow(http, bob):
            pass

    async def has_room() -> bool:
        try:
            async with follow(http, ada):
                return True
        except AssertionError:
            return False

    await eventually(has_room)


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", str(2**63)])
async def test_an_id_that_is_none_is_refused(http: httpx.AsyncClient, ada: Person, last_id: str) -> None:
    answer = await http.get(EVENTS, headers={**ada.headers, "Last-Event-ID": last_id})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "Last-Event-ID")


async def test_a_stream_is_for_those_who_are_signed_in(http: httpx.AsyncClient) -> None:
    assert (await http.get(EVENTS)).status_code == 401
    assert (await http.head(EVENTS)).status_code == 405


async def test_notifications_that_make_no_sense_disturb_nobody(
    http: httpx.AsyncClient, adas: TasksClient, admin: Admin
) -> None:
    """Whoever has SQL can send them."""
    async with follow(http, adas.person) as stream:
        for payload in (
            "",
            "nonsense",
            "x 1",
            f"{adas.person.id}",
            f"{adas.person.id} x",
            f"{adas.person.id} {10**30}",
        ):
            admin.execute("select pg_notify('live_events', %s), pg_notify('presences', %s)", (payload, payload))
        task = await adas.add("and still")
        assert (await stream.next()).data["id"] == task["id"]
        task = await adas.add("and again")
        assert (await stream.next()).data["id"] == task["id"]


async def test_where_nothing_can_be_heard_it_is_looked_for(live_settings: Settings, ada: Person) -> None:
    """Behind a pooler in transaction mode, without an address to listen at."""
    deaf = live_settings.model_copy(update={"database_transaction_pooler": True, "database_listen_url": None})
    assert deaf.listen_url is None
    with serve(create_app(deaf)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http, follow(http, ada) as stream:
            task = await TasksClient(http, ada).add("unheard")
            assert (await stream.next()).data["id"] == task["id"]
