"""From files to a model that has answered once. Blocks: for worker threads."""

import os
from dataclasses import dataclass

from api_gpu.engine.device import Device
from api_gpu.engine.execution import Execution
from api_gpu.engine.repository import ModelFiles
from api_gpu.engine.session import Session
from api_gpu.errors import GpuError
from api_gpu.models.definition import Definition, UnusableModel
from api_gpu.models.pipeline import Limits, Pipeline

MOST_TEXTS = 1024  # in a batch; the budget of tokens is nearly always the narrower bound
# What a batch costs beside its tokens, in tokens: measured on two cores; on a GPU, a millisecond of launching kernels.
OVERHEAD = {"cpu": 32, "cuda": 1024}
# Two batches at a time let a GPU compute while the other's results are handed out.
CONCURRENCY = {"cpu": 1, "cuda": 2}
MOST_PICTURES = 4  # batches of them at a time: each holds their pixels, 160 MB of a large one


@dataclass(frozen=True, slots=True)
class Environment:
    """What every model runs in."""

    device: Device
    threads: int
    token_budget: int


@dataclass(frozen=True, slots=True)
class Runnable:
    """A model in memory, warmed up."""

    files: ModelFiles
    pipeline: Pipeline
    execution: Execution
    on_cuda: bool


def load(files: ModelFiles, environment: Environment) -> Runnable:
    """Load a model and run it once, so that its first caller does not wait for what is done only once.

    Raises:
        UnusableModel
    """
    definition = files.definition
    device = Device("cpu") if definition.device == "cpu" else environment.device
    session = Session(files.graph, device, environment.threads, cpu_nodes=definition.cpu_nodes)
    pipeline = _pipeline(files, session, environment)
    execution = Execution(session, pipeline)
    _warm_up(execution, pipeline, session, definition)
    return Runnable(files, pipeline, execution, session.on_cuda)


def _pipeline(files: ModelFiles, session: Session, environment: Environment) -> Pipeline:
    definition = files.definition
    # Each kind is imported when a model needs it: Pillow and tokenizers take their time at a cold start.
    kind = "cuda" if session.on_cuda else "cpu"
    match definition.pipeline:
        case "tensors":
            from api_gpu.models.tensors import TensorPipeline  # noqa: PLC0415

            return TensorPipeline(
                session.inputs, session.outputs, batched=definition.batched, max_batch=definition.max_batch
            )
        case "text-embedding":
            os.environ.setdefault("RAYON_NUM_THREADS", str(environment.threads))  # tokenizers knows no cgroup
            from api_gpu.models.text_embedding.pipeline import TextPipeline  # noqa: PLC0415

            limits = Limits(environment.token_budget, MOST_TEXTS, OVERHEAD[kind], CONCURRENCY[kind])
            return TextPipeline(files.tokenizer, session.inputs, session.outputs, definition.max_tokens, limits)
        case image:
            from api_gpu.models.images.pipelines import PIPELINES  # noqa: PLC0415

            return PIPELINES[image](concurrency=min(environment.threads, MOST_PICTURES))


def _warm_up(execution: Execution, pipeline: Pipeline, session: Session, definition: Definition) -> None:
    """A model of tensors may rightly refuse made-up inputs, unless it says all about their shapes."""
    made_up = definition.pipeline == "tensors" and any(-1 in info.shape[1:] for info in session.inputs)
    for result in execution.run(pipeline.examples(), shrink=True).results:
        if isinstance(result, GpuError) and not made_up:
            raise UnusableModel(f"it fails when it is run: {result.message}")
