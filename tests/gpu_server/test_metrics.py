"""Prometheus can read what we count, and the documentation names all of it."""

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_gpu import metrics

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"


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


@pytest.mark.parametrize("name", ["BATCH_INPUTS", "BATCH_TOKENS", "QUEUE_SECONDS", "INFERENCE_SECONDS"])
def test_the_engine_fills_them_by_model(gpu_url: str, name: str) -> None:
    model = f"test-{name}"
    getattr(metrics, name).labels(model=model).observe(1)
    assert f'_count{{model="{model}"}} 1.0' in httpx.get(f"{gpu_url}/metrics").text
