"""What Prometheus may ask for at /metrics (docs/api-gpu.md lists it). Each is filled where it happens.

One registry per process, for a process has one engine. Times are in seconds.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BY_MODEL = ("model",)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# `…_created` would be a second series for each, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

QUEUE_INPUTS = Gauge("api_gpu_queue_inputs", "Inputs that wait for a batch.", BY_MODEL, registry=REGISTRY)
QUEUE_REFUSED = Counter(
    "api_gpu_queue_refused_inputs", "Inputs refused because the queue was full.", BY_MODEL, registry=REGISTRY
)
WITHDRAWN = Counter(
    "api_gpu_withdrawn_inputs",
    "Inputs not worked on: the caller had gone (gone), or the deadline had passed (late).",
    ("model", "reason"),
    registry=REGISTRY,
)
BATCH_INPUTS = Histogram("api_gpu_batch_inputs", "Inputs of a batch.", BY_MODEL, buckets=SIZES, registry=REGISTRY)
BATCH_TOKENS = Histogram(
    "api_gpu_batch_tokens", "Tokens of a batch, padding included.", BY_MODEL, buckets=TOKENS, registry=REGISTRY
)
QUEUE_SECONDS = Histogram(
    "api_gpu_queue_seconds",
    "From an input's arrival until its batch begins.",
    BY_MODEL,
    buckets=SECONDS,
    registry=REGISTRY,
)
TOKENIZATION_SECONDS = Histogram(
    "api_gpu_tokenization_seconds", "Tokenization of a request's texts.", BY_MODEL, buckets=SECONDS, registry=REGISTRY
)
INFERENCE_SECONDS = Histogram(
    "api_gpu_inference_seconds", "A batch on the device.", BY_MODEL, buckets=SECONDS, registry=REGISTRY
)
LOADS = Counter(
    "api_gpu_model_loads",
    "Models loaded (ok), and attempts that failed (error).",
    ("model", "outcome"),
    registry=REGISTRY,
)
LOAD_SECONDS = Histogram(
    "api_gpu_model_load_seconds", "Loading and warming up a model.", BY_MODEL, buckets=SECONDS, registry=REGISTRY
)
EVICTIONS = Counter(
    "api_gpu_model_evictions", "Models thrown out for the sake of the memory budget.", BY_MODEL, registry=REGISTRY
)
WAKE_UPS = Counter("api_gpu_wake_ups", "Times that a caller woke the server up.", registry=REGISTRY)
IDLE_EXITS = Counter("api_gpu_idle_exits", "Times that the server went to sleep.", registry=REGISTRY)


async def expose(_request: Request) -> Response:
    """Everything in Prometheus' text format. Needs no token: the network is private, and nothing here is anybody's."""
    return Response(generate_latest(REGISTRY), headers={"content-type": CONTENT_TYPE})


routes = [Route("/metrics", expose)]
