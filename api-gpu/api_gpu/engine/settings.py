"""What an engine has to know."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The names are those of the environment's variables, in lower case.

    Attributes:
        models_dir: the model repository; it need not exist.
        cache_dir: where models that come with the service are built.
        precision: of text-embedding on CUDA. On a CPU, 16 bits are slower than 32 and are not used.
        memory_budget_mb: what the files of the loaded models may add up to.
        queue_inputs: how many inputs may wait for one model.
        token_budget: tokens of a batch, padding included.
        threads: 0 means as many as the cgroup allows.
    """

    models_dir: Path
    cache_dir: Path
    device: Literal["auto", "cuda", "cpu"] = "auto"
    precision: Literal["fp32", "fp16"] = "fp32"
    memory_budget_mb: int = 2048
    queue_inputs: int = 4096
    token_budget: int = 2048
    threads: int = 0
