"""Both services together, nothing in between but the network: tasks found by meaning, pictures, tensors, jobs."""

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image

from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.e2e.real_gpu import RealGpu
from tests.gpu_engine.pictures import decoded, encoded, photo
from tests.jobs.client import JobsClient
from tests.jobs.working import worker_settings, working
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.rls.serving import serve
from tests.search.conftest import settle, waiting
from tests.tasks.client import TasksClient, error_of

Post = Callable[..., Awaitable[httpx.Response]]

GARAGE = ("Wash the car", "Sell the old vehicle", "Buy bread and milk", "Call the dentist")


@pytest.fixture(scope="module")
def real_gpu(tmp_path_factory: pytest.TempPathFactory, built_models: Path) -> Iterator[RealGpu]:
    gpu = RealGpu(tmp_path_factory.mktemp("gpu"), built_models)
    yield gpu
    gpu.stop()


@pytest.fixture(scope="module")
def its_callers(real_gpu: RealGpu) -> dict[str, Any]:
    """Settings of who calls it."""
    return {"gpu_url": real_gpu.url, "gpu_signing_key_file": real_gpu.key_file, "gpu_timeout": PATIENCE}


@pytest.fixture(scope="module")
async def http(
    settings: Settings, its_callers: dict[str, Any], admin: psycopg.Connection[Any]
) -> AsyncIterator[httpx.AsyncClient]:
    """An API with a worker."""
    settle(admin)
    async with (
        working(worker_settings(settings, **its_callers)),
        serve(settings.model_copy(update={**its_callers, "database_pool_max": 4})) as service,
    ):
        yield service.client


@pytest.fixture
def adas(http: httpx.AsyncClient, ada: Person) -> TasksClient:
    return TasksClient(http, ada)


@pytest.fixture
def post(http: httpx.AsyncClient, ada: Person) -> Post:
    async def send(path: str, picture: bytes, **query: Any) -> httpx.Response:
        files = {"image": ("picture", picture)}
        return await http.post(f"/api/v1/images/{path}", files=files, params=query, headers=ada.headers)

    return send


async def test_words_are_found_at_once_and_meaning_as_soon_as_it_has_woken_up(
    adas: TasksClient, real_gpu: RealGpu, admin: psycopg.Connection[Any]
) -> None:
    real_gpu.kill_server()
    with real_gpu.standing_still():
        await adas.add_all(*({"title": title} for title in GARAGE))
        asleep = await adas.page("search", q="car")
        assert ([task["title"] for task in asleep["data"]], asleep["meta"]["meaning"]) == (
            ["Wash the car"],
            "warming_up",
        )
    await eventually(lambda: waiting(admin) == 0)
    nearest = await adas.page("search", q="automobile", mode="semantic")
    assert [task["title"] for task in nearest["data"]][:2] == ["Wash the car", "Sell the old vehicle"]
    assert len(nearest["data"]) == len(GARAGE)
    assert await adas.titles("search", q="automobile") == ["Wash the car", "Sell the old vehicle"]
    assert await adas.titles("search", q="automobile", mode="text") == []


async def test_what_is_like_a_task_comes_nearest_first_and_a_new_title_moves_it(
    adas: TasksClient, admin: psycopg.Connection[Any]
) -> None:
    car, _, bread, _ = await adas.add_all(*({"title": title} for title in GARAGE))
    await eventually(lambda: waiting(admin) == 0)
    assert (await adas.titles(f"{car['id']}/similar"))[0] == "Sell the old vehicle"
    await adas.patch(bread["id"], {"title": "Have the automobile washed"})
    await eventually(lambda: waiting(admin) == 0)
    near = (await adas.page(f"{car['id']}/similar", min_similarity=0.5))["data"]
    assert near[0]["title"] == "Have the automobile washed"
    assert 0.5 <= near[0]["similarity"] <= 1


async def test_pictures_become_thumbnails_and_hashes(post: Post) -> None:
    thumbnail = await post("thumbnail", encoded(photo(), "JPEG"), width=64, height=64, format="png")
    assert (thumbnail.status_code, thumbnail.headers["content-type"]) == (200, "image/png")
    assert decoded(thumbnail.content).size == (64, 40)
    hashes = [
        (await post("hash", picture)).json()["data"]["hash"]
        for picture in (
            encoded(photo()),
            encoded(photo(), "WEBP"),
            encoded(photo().transpose(Image.Transpose.ROTATE_90)),
        )
    ]
    distances = [(int(hashes[0], 16) ^ int(other, 16)).bit_count() for other in hashes[1:]]
    assert distances[0] < 5
    assert distances[1] > 15
    whole = encoded(photo())
    assert error_of(await post("hash", whole[: len(whole) // 2])) == (422, "image_invalid", "image")


async def test_a_superuser_asks_a_model_itself(http: httpx.AsyncClient, new_person: NewPerson) -> None:
    root = new_person(superuser=True)
    asked = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["car", "automobile"]}]}
    answer = await http.post("/api/v1/inference/text-embedding", json=asked, headers=root.headers)
    (output,) = answer.json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("embedding", "FP32", [2, 384])
    one, other = output["data"][:384], output["data"][384:]
    assert sum(a * b for a, b in zip(one, other, strict=True)) > 0.8
    unknown = await http.post("/api/v1/inference/nonsense", json=asked, headers=root.headers)
    assert error_of(unknown)[:2] == (404, "model_not_found")
    wrong = await http.post("/api/v1/inference/image-hash", json=asked, headers=root.headers)
    assert error_of(wrong)[:2] == (422, "inference_refused")


async def test_a_server_that_is_killed_at_its_work_costs_nobody_an_answer(
    http: httpx.AsyncClient, new_person: NewPerson, real_gpu: RealGpu
) -> None:
    long = [f"{number} is a number that many words follow " * 50 for number in range(24)]
    asked = {"inputs": [{"name": "text", "shape": [len(long)], "datatype": "BYTES", "data": long}]}
    headers = new_person(superuser=True).headers
    work = asyncio.create_task(http.post("/api/v1/inference/text-embedding", json=asked, headers=headers))
    await eventually(lambda: _texts_wait(real_gpu))
    (killed,) = real_gpu.servers
    real_gpu.kill_server()
    assert (await work).json()["outputs"][0]["shape"] == [len(long), 384]
    assert killed.pid not in {server.pid for server in real_gpu.servers}


def _texts_wait(real_gpu: RealGpu) -> bool:
    metrics = httpx.get(f"{real_gpu.url}/metrics", timeout=PATIENCE).text
    waiting = re.search(r'api_gpu_queue_inputs\{model="text-embedding"\} (\d+)', metrics)
    return waiting is not None and int(waiting[1]) > 0


async def test_jobs_and_tasks_outlive_a_server_that_is_killed(
    http: httpx.AsyncClient, ada: Person, adas: TasksClient, real_gpu: RealGpu, admin: psycopg.Connection[Any]
) -> None:
    jobs = JobsClient(http, ada)
    with real_gpu.standing_still():
        job = (await jobs.send("POST", "/images?operation=thumbnail", **_archive(20))).json()["data"]
        await jobs.wait(job["id"], "running")
        await adas.add("Written meanwhile")
        real_gpu.kill_server()
    done = await jobs.wait(job["id"])
    assert (done["state"], done["result"]["summary"]) == ("succeeded", {"images": 20, "failed": 0})
    with zipfile.ZipFile(io.BytesIO((await jobs.result(job["id"])).content)) as made:
        assert decoded(made.read("0001.webp")).size == (256, 160)
    await eventually(lambda: waiting(admin) == 0)
    assert await adas.titles("search", q="Penned in between", mode="semantic") == ["Written meanwhile"]


def _archive(pictures: int) -> dict[str, Any]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for number in range(pictures):
            made.writestr(f"{number}.jpg", encoded(photo(), "JPEG"))
    return {"content": packed.getvalue(), "headers": {"Content-Type": "application/zip"}}
