"""`images.batch`: the pictures of an archive, as far as they are any, by an api-gpu that may be away."""

import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from api_main.core.settings import Settings, WorkerSettings
from api_main.gpu import client
from api_main.jobs.kinds import image_batch
from tests.gpu.stand_in import NOT_AN_IMAGE, Mood, StandIn
from tests.images.test_images import jpeg, png
from tests.jobs.client import JobsClient, Json
from tests.jobs.stage import Admin
from tests.jobs.working import worker_settings, working
from tests.patience import eventually

PICTURES = {"a/one.png": png(), "two.jpg": jpeg(), "notes.txt": b"no picture", "liar.png": png() + NOT_AN_IMAGE}


def archive(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.mkdir("a folder")
        for name, content in files.items():
            made.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def gpu_worker_settings(settings: Settings, gpu_settings: Settings) -> WorkerSettings:
    assert gpu_settings.gpu_signing_key is not None
    key = gpu_settings.gpu_signing_key.get_secret_value()
    return worker_settings(settings, gpu_url=gpu_settings.gpu_url, gpu_signing_key=key, gpu_start_seconds=0.2)


@pytest.fixture
async def gpu_worker(gpu_worker_settings: WorkerSettings) -> AsyncIterator[None]:
    async with working(gpu_worker_settings):
        yield


async def send(adas: JobsClient, content: bytes, **query: str | int) -> Json:
    headers = {"Content-Type": "application/zip"}
    answer = await adas.send("POST", "/images", content=content, headers=headers, params=query)
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()["data"]
    return job


@pytest.mark.usefixtures("gpu_worker")
async def test_thumbnails_come_as_an_archive_that_says_which_is_which(adas: JobsClient) -> None:
    query: dict[str, str | int] = {"operation": "thumbnail", "width": 64, "format": "png"}
    job = await adas.wait((await send(adas, archive(PICTURES), **query))["id"])
    assert (job["state"], job["result"]["summary"]) == ("succeeded", {"images": 2, "failed": 2}), job
    assert job["progress"] == {"done": 4, "total": 4}
    with zipfile.ZipFile(io.BytesIO((await adas.result(job["id"])).content)) as made:
        assert made.namelist() == ["0001.png", "0002.png", "report.json"]
        assert made.read("0001.png") == b"png 64x256"
        report = json.loads(made.read("report.json"))["images"]
    assert [(one["name"], one["file"]) for one in report] == [
        ("a/one.png", "0001.png"), ("two.jpg", "0002.png"), ("notes.txt", None), ("liar.png", None),
    ]  # fmt: skip
    assert [one["error"] and one["error"]["code"] for one in report] == [None, None, "image_invalid", "image_invalid"]


@pytest.mark.usefixtures("gpu_worker")
async def test_hashes_come_as_json(adas: JobsClient) -> None:
    content = base64.b64encode(archive({"one.png": png(), "same.png": png()})).decode()
    job = await adas.wait((await adas.queue("images.batch", operation="hash", content=content))["id"])
    images = (await adas.result(job["id"])).json()["images"]
    assert images[0]["hash"] == images[1]["hash"]
    assert len(images[0]["hash"]) == 16
    assert job["result"]["summary"] == {"images": 2, "failed": 0}


@pytest.mark.usefixtures("gpu_worker")
@pytest.mark.parametrize(
    "content",
    [b"PK no archive", archive({}), archive({f"{number}.png": b"x" for number in range(1001)})],
    ids=["no archive", "empty", "too many"],
)
async def test_an_archive_that_will_not_do_is_refused(adas: JobsClient, gpu: StandIn, content: bytes) -> None:
    job = await adas.wait((await send(adas, content, operation="hash"))["id"])
    assert (job["state"], job["attempts"], job["error"]["code"]) == ("failed", 1, "invalid_file")
    assert gpu.seen == []  # nobody was woken for it


@pytest.mark.usefixtures("gpu_worker")
async def test_a_file_that_unpacks_to_more_than_a_picture_is_one_fault(adas: JobsClient) -> None:
    content = archive({"bomb.png": png() + b"\0" * 11 * 1024**2, "fine.png": png()})
    assert len(content) < 100_000
    job = await adas.wait((await send(adas, content, operation="hash"))["id"])
    assert job["result"]["summary"] == {"images": 1, "failed": 1}


@pytest.mark.usefixtures("gpu_worker")
async def test_a_file_that_cannot_be_unpacked_is_one_fault(adas: JobsClient) -> None:
    good = archive({"torn.png": png(), "fine.png": png()})
    position = good.index(b"torn.png") + len("torn.png") + 2
    torn = bytearray(good)
    torn[position : position + 8] = b"########"
    job = await adas.wait((await send(adas, bytes(torn), operation="hash"))["id"])
    assert job["result"]["summary"] == {"images": 1, "failed": 1}
    assert (await adas.result(job["id"])).json()["images"][0]["error"]["code"] == "unreadable"


MOODS = {
    "cannot start": Mood(cannot_start=True),
    "does not wake up": Mood(asleep=True),
    "slow": Mood(seconds=60),
    "crashes": Mood(breaks_off=1000),
}


@pytest.mark.parametrize("mood", MOODS)
async def test_an_api_gpu_in_trouble_only_delays_the_job(
    adas: JobsClient,
    admin: Admin,
    gpu: StandIn,
    gpu_worker_settings: WorkerSettings,
    monkeypatch: pytest.MonkeyPatch,
    mood: str,
) -> None:
    """Longer than a job that fails would be tried."""
    monkeypatch.setattr(image_batch, "LEAST_WAIT", 0.05)
    monkeypatch.setattr(image_batch, "float", lambda _seconds: 0.05, raising=False)
    monkeypatch.setattr(client, "jittered", lambda _attempt: 0.0)
    gpu.mood = replace(MOODS[mood])
    job = await send(adas, archive({"one.png": png()}), operation="hash")
    attempts = "select attempts > 5 from public.jobs where id = %s"
    async with working(gpu_worker_settings.model_copy(update={"gpu_timeout": 0.2})):
        await eventually(lambda: admin.execute(attempts, (job["id"],)).fetchone() == (True,))
        failures = admin.execute("select failures from public.jobs where id = %s", (job["id"],)).fetchone()
        gpu.mood = Mood()
        gpu.finish_starting()
        done = await adas.wait(job["id"])
    assert failures == (0,)
    assert done["state"] == "succeeded"


@pytest.mark.usefixtures("worker")
async def test_without_any_api_gpu_the_job_says_so(adas: JobsClient) -> None:
    job = await adas.wait((await send(adas, archive({"one.png": png()}), operation="hash"))["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "images_unavailable")


async def test_what_is_no_archive_by_its_own_word_is_refused(adas: JobsClient) -> None:
    answer = await adas.send("POST", "/images?operation=hash", content=b"x", headers={"Content-Type": "image/png"})
    assert answer.status_code == 415
    wrong = await adas.send("POST", json={"kind": "images.batch", "operation": "hash", "content": "no base64!"})
    assert wrong.status_code == 422
