"""A model's configuration in the form of Triton's `ModelConfig`.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
"""

from collections.abc import Sequence
from typing import Any

from api_gpu.engine.loading import Runnable
from api_gpu.models.pipeline import TensorInfo

_TRITON = {"BYTES": "STRING"}


def as_triton(runnable: Runnable, platform: str) -> dict[str, Any]:
    """What is known of a model in memory."""
    pipeline, definition = runnable.pipeline, runnable.files.definition
    kind = "KIND_GPU" if runnable.on_cuda else "KIND_CPU"
    name = runnable.files.name
    config: dict[str, Any] = {
        "name": name,
        "platform": platform,
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": pipeline.limits.batch if pipeline.batched else 0,
        "input": _tensors(pipeline.inputs, batched=pipeline.batched),
        "output": _tensors(pipeline.outputs, batched=pipeline.batched),
        "instance_group": [{"name": name, "kind": kind, "count": pipeline.limits.concurrency}],
        "parameters": {"pipeline": {"string_value": definition.pipeline}},
    }
    if pipeline.batched:
        config["dynamic_batching"] = {"max_queue_delay_microseconds": 0}
    return config


def _tensors(infos: Sequence[TensorInfo], *, batched: bool) -> list[dict[str, Any]]:
    """Where a model batches, `dims` leaves the batch's axis out."""
    return [
        {
            "name": info.name,
            "data_type": f"TYPE_{_TRITON.get(info.datatype, info.datatype)}",
            "dims": list(info.shape[1:] if batched else info.shape) or [1],
        }
        for info in infos
    ]
