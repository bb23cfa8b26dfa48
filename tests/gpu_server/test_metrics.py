"""Prometheus can read what we count, and the documentation names all of it."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_gpu.engine.observer import Batch
from api_gpu.observer import PrometheusObserver

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "api-gpu.md"


def families(url: str) -> dict[str, str]:
    response = httpx.get(f"{url}/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family.type for family in text_string_to_metric_families(response.text)}


def test_prometheus_can_read_them(gpu_url: str) -> None:
    found = families(gpu_url)
    assert found["api_gpu_queue_inputs"] == "gauge"
    assert found["api_gpu_batch_tokens"] == "histogram"
    assert found["api_gpu_wake_ups"] == "counter"


def test_every_one_is_documented_and_nothing_else(gpu_url: str) -> None:
    ours = {name + ("_total" if kind == "counter" else "") for name, kind in families(gpu_url).items()}
    documented = re.findall(r"^\| `(api_gpu_\w+)", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(documented) == {name for name in ours if name.startswith("api_gpu_")}


BATCH = Batch(inputs=3, size=48, waited=(0.1, 0.1, 0.1), load=0.1, infer=0.2, finish=0.1)

OBSERVED: dict[str, tuple[Callable[[PrometheusObserver], None], dict[str, float]]] = {
    "queue": (lambda observer: observer.queue_changed("m", 5), {'queue_inputs{model="m"}': 5}),
    "refused": (lambda observer: observer.refused("m", 5), {'queue_refused_inputs_total{model="m"}': 5}),
    "late": (
        lambda observer: observer.withdrawn("m", 5, late=True),
        {'withdrawn_inputs_total{model="m",reason="late"}': 5},
    ),
    "gone": (
        lambda observer: observer.withdrawn("m", 5, late=False),
        {'withdrawn_inputs_total{model="m",reason="gone"}': 5},
    ),
    "prepared": (lambda observer: observer.prepared("m", 5, 0.5), {'tokenization_seconds_sum{model="m"}': 0.5}),
    "batch": (
        lambda observer: observer.batch_finished("m", BATCH),
        {
            'batch_inputs_sum{model="m"}': 3,
            'batch_tokens_sum{model="m"}': 48,
            'inference_seconds_sum{model="m"}': 0.2,
            'queue_seconds_count{model="m"}': 3,
        },
    ),
    "loaded": (
        lambda observer: observer.model_loaded("m", "1", 2.5),
        {'model_loads_total{model="m",outcome="ok"}': 1, 'model_load_seconds_sum{model="m"}': 2.5},
    ),
    "failed": (
        lambda observer: observer.model_failed("m", "damaged"),
        {'model_loads_total{model="m",outcome="error"}': 1},
    ),
    "evicted": (lambda observer: observer.model_evicted("m", "1"), {'model_evictions_total{model="m"}': 1}),
}


@pytest.mark.parametrize("what", OBSERVED)
def test_what_the_engine_tells_is_counted(gpu_url: str, what: str) -> None:
    tell, counted = OBSERVED[what]
    tell(PrometheusObserver())
    lines = httpx.get(f"{gpu_url}/metrics").text.splitlines()
    for sample, value in counted.items():
        assert f"api_gpu_{sample} {float(value)}" in lines
