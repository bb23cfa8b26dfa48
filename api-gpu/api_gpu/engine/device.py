"""CUDA or the CPU: what was asked for, what there is, and sessions on it.

`onnxruntime.get_available_providers()` names what was compiled in, with a GPU or without. So the session is asked.
"""

from dataclasses import dataclass
from typing import Any, Literal

import onnxruntime as ort

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
SILENT = 4  # ONNX Runtime writes to stderr what it also raises

# y = -x as an ONNX graph: the smallest thing that a device can be asked to do.
PROBE = bytes.fromhex(
    "080a3a390a0e0a01781201791a016e22034e6567120570726f62655a0f0a0178120a0a08080112040a020801"
    "620f0a0179120a0a08080112040a02080142040a001014"
)


@dataclass(frozen=True, slots=True)
class Device:
    """Where models run, or why they do not run at all."""

    kind: Literal["cuda", "cpu"]
    problem: str | None = None
    strict: bool = False  # nothing may fall back to the CPU


def choose_device(wanted: Literal["auto", "cuda", "cpu"]) -> Device:
    """`auto` takes CUDA where a session really runs on it; `cuda` takes nothing else."""
    if wanted == "cpu":
        return Device("cpu")
    problem = _cuda_problem()
    if problem is None:
        return Device("cuda", strict=wanted == "cuda")
    return Device("cpu") if wanted == "auto" else Device("cuda", problem=f"DEVICE=cuda, but {problem}.", strict=True)


def open_session(model: str | bytes, device: Device, threads: int, *, cpu_nodes: bool = False) -> ort.InferenceSession:
    """A session of a model's file, or of its bytes.

    Args:
        cpu_nodes: whether, on a strict device, operators without a CUDA kernel may run on the CPU.
    """
    options = _options(threads)
    if device.kind == "cpu":
        return ort.InferenceSession(model, options, providers=[CPU])
    strict = device.strict and not cpu_nodes
    if strict:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    providers = [(CUDA, _cuda_options())] if strict else [(CUDA, _cuda_options()), CPU]
    session = ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    if CUDA not in session.get_providers():
        raise RuntimeError("ONNX Runtime opened the session without CUDA")
    return session


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    options.enable_mem_pattern = False  # planned for shapes that come again, which those of batches seldom do
    # A spinning thread wins microseconds and takes the processor from tokenization and from other processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights outside the arena, which can then shrink to nothing.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    return options


def _cuda_options() -> dict[str, Any]:
    """TensorFloat-32 would let a vector depend on the batch that it was computed in."""
    return {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


def _cuda_problem() -> str | None:
    if CUDA not in ort.get_available_providers():
        return "this ONNX Runtime has no CUDA (the extra gpu of api-gpu installs it)"
    try:
        ort.preload_dlls()  # CUDA and cuDNN out of NVIDIA's wheels
        open_session(PROBE, Device("cuda", strict=True), threads=1)
    except Exception as error:  # noqa: BLE001  the many kinds of failure have no base class of their own
        return f"no session runs on it: {str(error).strip().splitlines()[-1]}"
    return None
