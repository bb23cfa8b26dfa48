"""The client of api-gpu: tokens and deadlines that travel along, retries, one wake-up, and a circuit that opens."""

import asyncio
import json
import time

import numpy as np
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from api_main.core.settings import Settings
from api_main.gpu import client as client_module
from api_main.gpu import wake_up
from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable, InferenceRefused, ModelNotFound
from service_wire.service_token import generate_key
from service_wire.tensors import Tensor
from tests.clock import Clock
from tests.gpu.stand_in import UNEMBEDDABLE, StandIn, embed
from tests.patience import eventually
from tests.ports import free_port

INFER = "POST /v2/models/text-embedding/infer"


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"gpu_client_{name}", labels) or 0.0


# What is asked


async def test_texts_become_vectors_in_their_order(gpu_client: GpuClient) -> None:
    texts = ["a car", "ein Büro", ""]
    found = await gpu_client.embed(texts, gpu_client.deadline())
    assert (found.model, found.version) == gpu_client.embedding_model == ("text-embedding", "1")
    for text, vector in zip(texts, found.vectors, strict=True):
        np.testing.assert_array_equal(vector, embed(text))


async def test_a_tensor_goes_there_and_back(gpu_client: GpuClient) -> None:
    number = np.array([[1.5, 2.0]], dtype=np.float32)
    answer = await gpu_client.infer("double", [Tensor("number", number)], gpu_client.deadline())
    assert answer.outputs[0].array.tolist() == [[3.0, 4.0]]


async def test_the_deadline_travels_along(gpu: StandIn, gpu_client: GpuClient) -> None:
    await gpu_client.embed(["x"], gpu_client.deadline(5.0))
    assert 0 < gpu.deadlines[-1] <= 5000


async def test_what_is_wrong_with_the_input_is_the_callers_to_know(gpu: StandIn, gpu_client: GpuClient) -> None:
    with pytest.raises(InferenceRefused, match="it will not do"):
        await gpu_client.embed([UNEMBEDDABLE], gpu_client.deadline())
    with pytest.raises(ModelNotFound):
        await gpu_client.infer("nothing", [], gpu_client.deadline())
    assert gpu.seen.count(INFER) == 1  # and is not asked again


async def test_a_key_that_api_gpu_does_not_know_opens_nothing(gpu: StandIn, gpu_settings: Settings) -> None:
    stranger = GpuClient(
        gpu_settings.model_copy(update={"gpu_signing_key": SecretStr(json.dumps(generate_key("ES256")))})
    )
    with pytest.raises(GpuUnavailable):
        await stranger.embed(["x"], stranger.deadline())
    await stranger.close()
    assert gpu.seen == []


# What is asked again


@pytest.mark.parametrize("statuses", [[503], [429], [429, 503]], ids=str)
async def test_not_now_is_asked_again(gpu: StandIn, gpu_client: GpuClient, statuses: list[int]) -> None:
    gpu.mood.answers, gpu.mood.retry_after = list(statuses), "0"
    before = counted("retries_total", reason=str(statuses[0]))
    found = await gpu_client.embed(["x"], gpu_client.deadline())
    assert len(found.vectors) == 1
    assert gpu.seen.count(INFER) == len(statuses) + 1
    assert counted("retries_total", reason=str(statuses[0])) == before + 1


async def test_retry_after_is_waited_for(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.answers, gpu.mood.retry_after = [429], "1"
    started = time.monotonic()
    await gpu_client.embed(["x"], gpu_client.deadline())
    assert time.monotonic() - started >= 1


async def test_a_wait_beyond_the_deadline_is_not_begun(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.answers, gpu.mood.retry_after = [503], "60"
    with pytest.raises(GpuUnavailable) as refused:
        await gpu_client.embed(["x"], gpu_client.deadline(30))
    assert refused.value.headers["Retry-After"] == "60"


async def test_a_connection_that_breaks_off_is_made_again(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.breaks_off = 2
    assert len((await gpu_client.embed(["x"], gpu_client.deadline())).vectors) == 1
    assert gpu.seen.count(INFER) == 3


async def test_another_error_is_not_asked_again(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.answers = [500]
    with pytest.raises(GpuUnavailable):
        await gpu_client.embed(["x"], gpu_client.deadline())
    assert gpu.seen.count(INFER) == 1


async def test_attempts_come_to_an_end(gpu: StandIn, gpu_client: GpuClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "jittered", lambda _: 0.0)
    gpu.mood.answers, gpu.mood.retry_after = [429] * 20, "0"
    with pytest.raises(GpuUnavailable):
        await gpu_client.embed(["x"], gpu_client.deadline())
    assert gpu.seen.count(INFER) == client_module.MOST_ATTEMPTS


async def test_a_deadline_ends_the_waiting(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.seconds = 60
    with pytest.raises(GpuUnavailable):
        await gpu_client.embed(["x"], gpu_client.deadline(0.2))


# Asleep, and awake


async def test_many_wait_for_one_start(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.asleep = True
    calls = [asyncio.create_task(gpu_client.embed([f"x{n}"], gpu_client.deadline())) for n in range(50)]
    await eventually(lambda: bool(gpu.seen))
    assert not gpu_client.is_awake
    gpu.finish_starting()
    assert len(await asyncio.gather(*calls)) == 50
    assert (gpu.starts, gpu.seen.count("GET /v2")) == (1, 1)
    assert gpu_client.is_awake


async def test_whoever_cannot_wait_leaves_the_start_to_the_others(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.asleep = True
    with pytest.raises(GpuUnavailable):
        await gpu_client.embed(["x"], gpu_client.deadline(0.1))
    assert not gpu_client.is_left_alone  # starting is no failure
    gpu.finish_starting()
    await gpu_client.wake(gpu_client.deadline())
    assert gpu.starts == 1


async def test_idle_for_long_it_may_be_asleep(gpu_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(wake_up, "time", clock)
    client = GpuClient(gpu_settings.model_copy(update={"idle_seconds": 100.0}))
    await client.wake(client.deadline())
    told = [client.is_awake]
    clock.advance(100)
    told.append(client.is_awake)
    assert told == [True, False]
    await client.close()


async def test_one_that_never_sleeps_stays_awake(gpu_settings: Settings) -> None:
    client = GpuClient(gpu_settings.model_copy(update={"idle_seconds": 0.0}))
    await client.wake(client.deadline())
    assert client.is_awake
    await client.close()


# Away


async def test_one_that_cannot_start_is_left_alone_for_as_long_as_it_asks(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.cannot_start, gpu.mood.retry_after = True, "20"
    for _ in range(5):
        with pytest.raises(GpuUnavailable) as refused:
            await gpu_client.embed(["x"], gpu_client.deadline())
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 20
    assert gpu.seen == ["GET /v2"]
    assert gpu_client.is_left_alone
    assert counted("circuit_open") == 1


async def test_one_that_fell_and_cannot_start_again_is_left_alone_too(gpu: StandIn, gpu_client: GpuClient) -> None:
    await gpu_client.embed(["x"], gpu_client.deadline())
    gpu.mood.cannot_start, gpu.mood.retry_after = True, "0"
    with pytest.raises(GpuUnavailable):
        await gpu_client.embed(["x"], gpu_client.deadline())
    assert gpu_client.is_left_alone
    assert gpu.seen[-2:] == [INFER, "GET /v2"]


async def test_the_circuit_closes_when_it_can_start_again(gpu: StandIn, gpu_client: GpuClient) -> None:
    gpu.mood.cannot_start, gpu.mood.retry_after = True, "0"
    with pytest.raises(GpuUnavailable):
        await gpu_client.embed(["x"], gpu_client.deadline())
    gpu.mood.cannot_start = False
    await eventually(lambda: not gpu_client.is_left_alone)
    assert len((await gpu_client.embed(["x"], gpu_client.deadline())).vectors) == 1
    assert counted("circuit_open") == 0


async def test_where_nobody_listens_the_first_call_fails_soon_and_the_next_at_once(gpu_settings: Settings) -> None:
    client = GpuClient(gpu_settings.model_copy(update={"gpu_url": f"http://127.0.0.1:{free_port()}"}))
    for _ in range(3):
        with pytest.raises(GpuUnavailable):
            await client.embed(["x"], client.deadline())
    assert client.is_left_alone
    await client.close()


async def test_it_is_found_again_where_it_was(gpu: StandIn, gpu_settings: Settings) -> None:
    port = free_port()
    client = GpuClient(gpu_settings.model_copy(update={"gpu_url": f"http://127.0.0.1:{port}"}))
    with gpu.serve(port):
        await client.embed(["x"], client.deadline())
    with pytest.raises(GpuUnavailable):
        await client.embed(["x"], client.deadline())
    with gpu.serve(port):
        await eventually(lambda: not client.is_left_alone)
        assert len((await client.embed(["x"], client.deadline())).vectors) == 1
    await client.close()


async def test_requests_are_counted_by_their_outcome(gpu: StandIn, gpu_client: GpuClient) -> None:
    labels = {"operation": "text-embedding", "outcome": "200"}
    before = counted("requests_total", **labels)
    await gpu_client.embed(["x"], gpu_client.deadline())
    assert counted("requests_total", **labels) == before + 1


@pytest.mark.parametrize(
    "changes", [{"gpu_signing_key": None}, {"gpu_signing_key": SecretStr("no key")}], ids=["no key", "a bad key"]
)
async def test_an_address_without_a_key_stops_the_start(
    gpu_settings: Settings, changes: dict[str, SecretStr | None]
) -> None:
    values = {**gpu_settings.model_dump(), **changes}
    with pytest.raises(ValueError, match=r"GPU_SIGNING_KEY|JWK"):
        GpuClient(Settings(_env_file=None, **values))
