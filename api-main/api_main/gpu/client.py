"""The client of api-gpu: one connection pool, one place that retries, one wake-up at a time.

Deadlines are moments of the event loop's clock. They travel along in a header, so that work nobody waits for any more
is not done.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import httpx
from opentelemetry.trace import SpanKind

from api_main.core.settings import Settings
from api_main.gpu.backoff import jittered, retry_after
from api_main.gpu.errors import GpuUnavailable, InferenceRefused, ModelNotFound
from api_main.gpu.metrics import REQUESTS, RETRIES, SECONDS
from api_main.gpu.wake_up import CannotWake, WakeUp
from service_wire import tracing
from service_wire.headers import HEADER_LENGTH
from service_wire.service_token import DEADLINE_HEADER, ServiceTokenIssuer, parse_key, subject_of

if TYPE_CHECKING:  # NumPy takes 15 MB, and many have no api-gpu
    import numpy as np

    from service_wire.tensors import InferResponse, Tensor

EMBEDDING_MODEL = "text-embedding"
CONNECT_SECONDS = 2.0
MOST_ATTEMPTS = 6
MOST_KNOCKS = 3
MOST_CONNECTIONS = 32
LONGEST_KEEPALIVE = 60.0

Vector: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float32]]"


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What texts mean, in their order: unit vectors of one model, comparable with those of the same version alone."""

    model: str
    version: str
    vectors: Sequence[Vector] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A request for api-gpu, and the name under which it is counted."""

    operation: str
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class GpuClient:
    """Asks api-gpu. Inference has no side effects, so whatever breaks off may be asked again."""

    def __init__(self, settings: Settings) -> None:
        import service_wire.tensors  # noqa: F401, PLC0415 - at start, for it takes a while; below it is there

        assert settings.gpu_url is not None
        assert settings.gpu_key is not None
        idle = settings.idle_seconds
        # A connection that api-gpu closes as it falls asleep could lose a request: ours end well before.
        keepalive = min(LONGEST_KEEPALIVE, idle / 2) if idle else LONGEST_KEEPALIVE
        self._http = httpx.AsyncClient(
            base_url=settings.gpu_url,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=keepalive),
            trust_env=False,  # a private address: no proxy of the environment is to see it
        )
        self._tokens = ServiceTokenIssuer(parse_key(settings.gpu_key))
        self._start_seconds = settings.gpu_start_seconds
        self._timeout = settings.gpu_timeout
        self._wake_up = WakeUp(self._knock, idle_seconds=idle)
        self.embedding_model: tuple[str, str] | None = None
        """Name and version of the model that made the newest embedding."""

    @property
    def is_awake(self) -> bool:
        """It has answered so recently that it should answer at once."""
        return self._wake_up.is_awake

    @property
    def is_left_alone(self) -> bool:
        """It could not start, and is not asked for a while."""
        return self._wake_up.rest > 0

    def deadline(self, seconds: float | None = None) -> float:
        """The moment at which so many seconds are over; by default, `GPU_TIMEOUT`."""
        return asyncio.get_running_loop().time() + (self._timeout if seconds is None else seconds)

    def start_deadline(self) -> float:
        """By then a sleeping api-gpu has started and answered."""
        return self.deadline(self._start_seconds + self._timeout)

    async def wake(self, deadline: float) -> None:
        """Return as soon as api-gpu is awake.

        Raises:
            GpuUnavailable: it is not, by the deadline.
        """
        async with _until(deadline):
            await self._wake_up.wait()

    async def embed(self, texts: Sequence[str], deadline: float) -> Embeddings:
        """One vector for each text.

        Raises:
            GpuUnavailable, InferenceRefused
        """
        import numpy as np  # noqa: PLC0415

        from service_wire.tensors import Tensor  # noqa: PLC0415

        array = np.array([text.encode() for text in texts], dtype=object)
        answer = await self.infer(EMBEDDING_MODEL, [Tensor("text", array)], deadline)
        (vectors,) = (output.array for output in answer.outputs if output.name == "embedding")
        self.embedding_model = answer.model_name, answer.model_version
        return Embeddings(*self.embedding_model, list(vectors.astype(np.float32, copy=False)))

    async def infer(self, model: str, inputs: "Sequence[Tensor]", deadline: float) -> "InferResponse":
        """The outputs of a model for a batch of inputs.

        Raises:
            GpuUnavailable, ModelNotFound, InferenceRefused
        """
        from service_wire import tensors  # noqa: PLC0415

        request = tensors.InferRequest(inputs=tuple(inputs), parameters=tensors.BINARY_OUTPUT)
        body, headers = tensors.encode_request(request)
        response = await self.forward(model, body, headers, deadline, operation=model)
        length = response.headers.get(HEADER_LENGTH)
        try:
            return tensors.decode_response(response.content, None if length is None else int(length))
        except (tensors.WireError, ValueError):
            raise GpuUnavailable from None

    async def forward(
        self, model: str, body: bytes, headers: Mapping[str, str], deadline: float, *, operation: str = "forward"
    ) -> httpx.Response:
        """The answer to a request in the Open Inference Protocol, as it comes.

        Raises:
            GpuUnavailable, ModelNotFound, InferenceRefused
        """
        response = await self.send(Call(operation, "POST", f"/v2/models/{model}/infer", body, headers), deadline)
        match response.status_code:
            case 200:
                return response
            case 404:
                raise ModelNotFound
            case status if 400 <= status < 500 and status != 401:
                raise InferenceRefused(_sentence(response))
            case _:
                raise GpuUnavailable

    async def send(self, call: Call, deadline: float) -> httpx.Response:
        """The answer to a request, whatever its status, but for those that say: not now.

        Raises:
            GpuUnavailable: there was none by the deadline.
        """
        outcome, started = "failed", time.perf_counter()
        try:
            with tracing.span(
                "api-gpu", SpanKind.CLIENT, gpu_operation=call.operation, http_request_method=call.method
            ):
                async with _until(deadline):
                    response = await self._attempt(call, deadline)
                    outcome = str(response.status_code)
                    return response
        finally:
            REQUESTS.labels(call.operation, outcome).inc()
            SECONDS.labels(call.operation).observe(time.perf_counter() - started)

    async def close(self) -> None:
        await self._wake_up.close()
        await self._http.aclose()

    async def _attempt(self, call: Call, deadline: float) -> httpx.Response:
        for attempt in count():
            await self._wake_up.wait()
            try:
                response = await self._exchange(call, deadline)
            except httpx.TransportError as error:
                self._wake_up.lost()
                reason, wait = type(error).__name__, jittered(attempt)
            else:
                if response.status_code not in {429, 503}:
                    self._wake_up.answered()
                    return response
                if response.status_code == 503:  # perhaps it fell, and cannot start again: the next attempt knocks
                    self._wake_up.lost()
                reason, wait = str(response.status_code), max(retry_after(response), jittered(attempt))
            if attempt + 1 == MOST_ATTEMPTS or asyncio.get_running_loop().time() + wait >= deadline:
                raise GpuUnavailable(retry_after=wait)
            RETRIES.labels(reason).inc()
            await asyncio.sleep(wait)
        raise AssertionError  # it counts for ever

    async def _exchange(self, call: Call, deadline: float) -> httpx.Response:
        request = self._http.build_request(call.method, call.path, content=call.body, headers=dict(call.headers))
        subject = subject_of(call.method, request.url.raw_path.decode("ascii"))
        request.headers["Authorization"] = f"Bearer {self._tokens.issue(subject)}"
        left = deadline - asyncio.get_running_loop().time()
        request.headers[DEADLINE_HEADER] = str(max(1, int(left * 1000)))
        tracing.inject(request.headers)
        return await self._http.send(request)

    async def _knock(self) -> None:
        """Ask for as little as possible, and wait as long as a start may take."""
        deadline = asyncio.get_running_loop().time() + self._start_seconds
        for attempt in count(1):
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self._exchange(Call("wake", "GET", "/v2"), deadline)
            except TimeoutError:
                raise CannotWake("it did not start in time") from None
            except httpx.TransportError as error:
                if attempt == MOST_KNOCKS:
                    raise CannotWake(f"{type(error).__name__}: {error}") from None
                await asyncio.sleep(jittered(attempt))
                continue
            if response.is_success:
                return
            raise CannotWake(f"it answered {response.status_code}: {_sentence(response)}", retry_after(response))


@asynccontextmanager
async def open_gpu(settings: Settings) -> AsyncIterator[GpuClient | None]:
    """The client, or None where no api-gpu is set up."""
    if settings.gpu_url is None:
        yield None
        return
    client = GpuClient(settings)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise GpuUnavailable from None


def _sentence(response: httpx.Response) -> str | None:
    """What api-gpu says is wrong: `{"error": "…"}`, as the protocol has it."""
    try:
        said = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) else None
