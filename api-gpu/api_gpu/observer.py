"""What the engine tells about its work, as Prometheus' numbers (`api_gpu.metrics`)."""

from api_gpu import metrics
from api_gpu.engine.observer import Batch, EngineObserver


class PrometheusObserver(EngineObserver):
    """Counts. Every method is called on the event loop."""

    def queue_changed(self, model: str, inputs: int) -> None:
        metrics.QUEUE_INPUTS.labels(model).set(inputs)

    def refused(self, model: str, inputs: int) -> None:
        metrics.QUEUE_REFUSED.labels(model).inc(inputs)

    def withdrawn(self, model: str, inputs: int, *, late: bool) -> None:
        metrics.WITHDRAWN.labels(model, "late" if late else "gone").inc(inputs)

    def prepared(self, model: str, inputs: int, seconds: float) -> None:  # noqa: ARG002 - of the request, not of each
        metrics.TOKENIZATION_SECONDS.labels(model).observe(seconds)

    def batch_finished(self, model: str, batch: Batch) -> None:
        metrics.BATCH_INPUTS.labels(model).observe(batch.inputs)
        metrics.BATCH_TOKENS.labels(model).observe(batch.size)
        metrics.INFERENCE_SECONDS.labels(model).observe(batch.infer)
        queue = metrics.QUEUE_SECONDS.labels(model)
        for seconds in batch.waited:
            queue.observe(seconds)

    def model_loaded(self, model: str, version: str, seconds: float) -> None:  # noqa: ARG002 - one label is enough
        metrics.LOADS.labels(model, "ok").inc()
        metrics.LOAD_SECONDS.labels(model).observe(seconds)

    def model_failed(self, model: str, reason: str) -> None:  # noqa: ARG002 - a label for each reason would never end
        metrics.LOADS.labels(model, "error").inc()

    def model_evicted(self, model: str, version: str) -> None:  # noqa: ARG002
        metrics.EVICTIONS.labels(model).inc()
