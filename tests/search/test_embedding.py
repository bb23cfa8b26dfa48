"""Every task gets a vector, whatever happens meanwhile: to the task, to api-gpu, to the worker or to the listener."""

import asyncio
from contextlib import closing
from typing import Any

import psycopg
import pytest

from api_main.core.database import Database
from api_main.core.settings import Settings
from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable
from api_main.tasks.embeddings import repository
from api_main.tasks.embeddings.worker import EMBEDDER, EmbeddingWorker
from tests.gpu.stand_in import UNEMBEDDABLE, Mood, StandIn, embed
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.rls.serving import serve
from tests.search.conftest import Embedded, settle, stored, waiting
from tests.tasks.client import TasksClient

MODEL = ("text-embedding", "1")


@pytest.fixture
async def worker(gpu_settings: Settings, admin: psycopg.Connection[Any]) -> Any:
    """A worker that works when it is told to."""
    settle(admin)
    database, gpu = Database(gpu_settings), GpuClient(gpu_settings)
    await database.open()
    yield EmbeddingWorker(database, gpu, sweep_seconds=60)
    await gpu.close()
    await database.close()


def write(admin: psycopg.Connection[Any], person: Person, *titles: str) -> None:
    """As the dashboard or another program does: past the API."""
    for title in titles:
        admin.execute("insert into public.tasks (owner_id, title) values (%s, %s)", (person.id, title))


async def test_a_task_is_saved_at_once_and_embedded_after(
    adas: TasksClient, gpu: StandIn, admin: psycopg.Connection[Any], embedded: Embedded
) -> None:
    gpu.mood.asleep = True
    await adas.add("Wash the car", description="and the wheels")
    assert stored(admin, adas.person) == {}
    gpu.finish_starting()
    await embedded()
    assert stored(admin, adas.person) == {"Wash the car": MODEL}
    assert gpu.embedded == ["Wash the car\nand the wheels"]


async def test_changing_the_words_embeds_again_and_changing_the_status_does_not(
    adas: TasksClient, gpu: StandIn, embedded: Embedded, admin: psycopg.Connection[Any]
) -> None:
    task = await adas.add("first")
    await embedded()
    await adas.patch(task["id"], {"status": "completed", "priority": "high"})
    await adas.patch(task["id"], {"title": "first"})
    assert waiting(admin) == 0
    await adas.patch(task["id"], {"title": "second"})
    await embedded()
    await adas.patch(task["id"], {"description": "third"})
    await embedded()
    assert gpu.embedded == ["first", "second", "second\nthird"]


async def test_what_is_written_past_the_api_is_embedded_when_it_is_notified(
    gpu_settings: Settings, admin: psycopg.Connection[Any], ada: Person, embedded: Embedded
) -> None:
    settle(admin)
    others = _listeners(admin)
    async with serve(gpu_settings.model_copy(update={"embedding_sweep_seconds": 3600.0})):
        await eventually(lambda: bool(_listeners(admin) - others))
        write(admin, ada, "by hand")
        await embedded()
    assert stored(admin, ada) == {"by hand": MODEL}


async def test_without_notifications_the_sweep_alone_suffices(
    gpu_settings: Settings, admin: psycopg.Connection[Any], ada: Person, embedded: Embedded
) -> None:
    settle(admin)
    others = _listeners(admin)
    pooler = {"database_transaction_pooler": True, "database_listen_url": None}
    async with serve(gpu_settings.model_copy(update=pooler)):
        write(admin, ada, "by hand")
        await embedded()
        assert _listeners(admin) <= others


async def test_a_listener_whose_connection_is_lost_listens_again(
    gpu_settings: Settings, admin: psycopg.Connection[Any]
) -> None:
    others = _listeners(admin)  # some of which may be about to end
    async with serve(gpu_settings):
        await eventually(lambda: bool(_listeners(admin) - others))
        lost = _listeners(admin) - others
        admin.execute("select pg_terminate_backend(pid) from unnest(%s) pid", (list(lost),))
        await eventually(lambda: len(_listeners(admin) - others - lost) == len(lost))


async def test_a_burst_of_writes_notifies_once(admin: psycopg.Connection[Any], admin_url: str, ada: Person) -> None:
    settle(admin)
    with psycopg.connect(admin_url, autocommit=True) as listener:
        listener.execute("listen tasks_to_embed")
        write(admin, ada, "a", "b", "c")
        admin.execute("update public.tasks set title = title || '!' where owner_id = %s", (ada.id,))
        admin.execute("notify tasks_to_embed, 'the end'")
        with closing(listener.notifies(timeout=PATIENCE)) as notices:
            heard = list(iter(lambda: next(notices).payload, "the end"))
    assert len(heard) == 1


async def test_many_are_embedded_in_batches(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, *(f"task {number}" for number in range(150)))
    await worker.work_off()
    assert len(stored(admin, ada)) == len(gpu.embedded) == 150
    assert gpu.seen.count("POST /v2/models/text-embedding/infer") == 3


async def test_two_workers_share_the_work_and_neither_does_the_others(
    worker: EmbeddingWorker, gpu_settings: Settings, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, *(f"task {number}" for number in range(300)))
    gpu.mood.seconds = 0.05
    others = [EmbeddingWorker(worker._database, worker._gpu, sweep_seconds=60) for _ in range(3)]
    await asyncio.gather(*(each.work_off() for each in [worker, *others]))
    assert len(gpu.embedded) == len(set(gpu.embedded)) == 300
    assert len(stored(admin, ada)) == 300


async def test_a_task_that_changes_while_it_is_embedded_is_embedded_again(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, "old words")
    gpu.mood.seconds = PATIENCE
    working = asyncio.create_task(worker.work_off())
    await eventually(lambda: gpu.seen.count("POST /v2/models/text-embedding/infer") == 1)
    admin.execute("update public.tasks set title = 'new words' where owner_id = %s", (ada.id,))
    gpu.mood = Mood()
    await working
    assert gpu.embedded == ["old words", "new words"]
    assert _nearest_title(admin, ada) == "new words"


async def test_a_task_that_is_deleted_while_it_is_embedded_is_forgotten(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, "goes", "stays")
    gpu.mood.seconds = PATIENCE
    working = asyncio.create_task(worker.work_off())
    await eventually(lambda: gpu.seen.count("POST /v2/models/text-embedding/infer") == 1)
    admin.execute("delete from public.tasks where owner_id = %s and title = 'goes'", (ada.id,))
    gpu.mood = Mood()
    await working
    assert stored(admin, ada) == {"stays": MODEL}
    assert waiting(admin) == 0


async def test_a_person_who_writes_at_the_same_time_is_never_the_one_to_give_way(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], admin_url: str, ada: Person
) -> None:
    """Somebody holds one task and wants another, in the other order than the worker has them."""
    write(admin, ada, *(f"task {number}" for number in range(20)))
    ids = [row[0] for row in admin.execute("select id from public.tasks where owner_id = %s order by id", (ada.id,))]
    gpu.mood.seconds = 0.3
    working = asyncio.create_task(worker.work_off())
    await eventually(lambda: gpu.seen.count("POST /v2/models/text-embedding/infer") == 1)
    async with await psycopg.AsyncConnection.connect(admin_url) as person:
        for task in reversed(ids):
            await person.execute("select from public.tasks where id = %s for update", (task,))
            await person.execute("update public.tasks set title = title || '!' where id = %s", (task,))
            await asyncio.sleep(0.05)
    await working
    await worker.work_off()
    assert {title[-1] for title in stored(admin, ada)} == {"!"}
    assert len(stored(admin, ada)) == 20


async def test_a_task_that_changes_hands_leaves_no_vector_with_the_old_owner(
    worker: EmbeddingWorker, admin: psycopg.Connection[Any], ada: Person, bob: Person
) -> None:
    write(admin, ada, "given away")
    await worker.work_off()
    admin.execute("update public.tasks set owner_id = %s where owner_id = %s", (bob.id, ada.id))
    owners = "select owner_id from public.task_embeddings where owner_id in (%s, %s)"
    assert admin.execute(owners, (ada.id, bob.id)).fetchall() == []
    await worker.work_off()
    assert admin.execute(owners, (ada.id, bob.id)).fetchall() == [(bob.id,)]


async def test_words_that_the_model_refuses_do_not_keep_others_waiting(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, "a", UNEMBEDDABLE, "b", "c")
    await worker.work_off()
    assert set(stored(admin, ada)) == {"a", "b", "c"}
    assert waiting(admin) == 0
    admin.execute("update public.tasks set title = 'mended' where title = %s", (UNEMBEDDABLE,))
    await worker.work_off()
    assert set(stored(admin, ada)) == {"a", "b", "c", "mended"}


async def test_a_claim_that_nobody_is_behind_any_more_runs_out(
    worker: EmbeddingWorker, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, "left behind")
    async with worker._database.session(EMBEDDER) as session:
        assert len(await repository.claim(session, 10)) == 1
    await worker.work_off()
    assert stored(admin, ada) == {}
    admin.execute("update private.tasks_to_embed set claimed_until = now() - interval '1 s'")
    await worker.work_off()
    assert stored(admin, ada) == {"left behind": MODEL}


async def test_what_api_gpu_failed_at_is_anybodys_again(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, "not yet")
    gpu.mood.answers = [500]
    with pytest.raises(GpuUnavailable):
        await worker.work_off()
    assert waiting(admin) == 1
    await worker.work_off()
    assert stored(admin, ada) == {"not yet": MODEL}


async def test_api_gpu_is_not_woken_where_nothing_is_waiting(worker: EmbeddingWorker, gpu: StandIn) -> None:
    await worker.work_off()
    assert gpu.seen == []


async def test_a_new_model_embeds_everything_again(
    worker: EmbeddingWorker, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person
) -> None:
    write(admin, ada, "a", "b")
    await worker.work_off()
    gpu.mood.version = "2"
    write(admin, ada, "c")  # the first one that shows that there is another model
    await worker.work_off()
    assert set(stored(admin, ada).values()) == {("text-embedding", "2")}
    assert waiting(admin) == 0
    gpu.embedded.clear()
    await worker.work_off()
    assert gpu.embedded == []


async def test_trouble_is_outlived(
    gpu_settings: Settings, gpu: StandIn, admin: psycopg.Connection[Any], ada: Person, embedded: Embedded
) -> None:
    """api-gpu cannot start, then the connections to the database break: the worker goes on afterwards."""
    settle(admin)
    others = [pid for (pid,) in admin.execute("select pid from pg_stat_activity where usename = 'api_main'")]
    gpu.mood.cannot_start = True
    async with serve(gpu_settings):
        write(admin, ada, "late")
        await eventually(lambda: bool(gpu.seen))
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'api_main' and pid <> all (%s)",
            (others,),
        )
        gpu.mood.cannot_start = False
        await embedded()
    assert stored(admin, ada) == {"late": MODEL}


def _listeners(admin: psycopg.Connection[Any]) -> set[int]:
    """The connections that hear notifications: one for every service that runs."""
    rows = admin.execute(
        "select pid from pg_stat_activity where application_name = 'api-main listener' and query ilike 'listen%'"
    )
    return {pid for (pid,) in rows}


def _nearest_title(admin: psycopg.Connection[Any], person: Person) -> str:
    """The title of the only task, once it is certain that its vector stands for it."""
    row = admin.execute(
        "select title, embedding::real[] from public.task_embeddings join public.tasks on id = task_id"
        " where public.tasks.owner_id = %s",
        (person.id,),
    ).fetchone()
    assert row is not None
    title: str = row[0]
    assert float(embed(title) @ row[1]) > 0.999
    return title
