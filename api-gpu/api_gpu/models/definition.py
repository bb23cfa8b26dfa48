"""`model.json`: what a graph does not say about itself."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class UnusableModel(Exception):
    """A model that cannot be loaded. The message says why."""


class Definition(BaseModel):
    """Everything has a default: a folder without `model.json` is a plain model of tensors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    license: str = ""
    pipeline: Literal["tensors", "text-embedding", "image-thumbnail", "image-normalize", "image-hash"] = "tensors"
    device: Literal["any", "cpu"] = "any"  # cpu: even where there is a GPU
    cpu_nodes: bool = Field(
        default=False, description="whether DEVICE=cuda may leave to the CPU what CUDA has no kernel for"
    )
    batched: bool | None = None  # whether the first axis is a batch; null: if it may have any size everywhere
    max_batch: int = Field(default=64, ge=1)  # inputs, for models of tensors
    max_tokens: int = Field(default=512, ge=1)  # for models of texts: longer ones are cut
    memory_mb: int | None = Field(default=None, ge=1)  # null: what its files take on the disk


def read_definition(path: Path) -> Definition:
    """The contents of a `model.json`, or the defaults if there is none.

    Raises:
        UnusableModel
    """
    try:
        return Definition.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Definition()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnusableModel(f"model.json: {place + ': ' if place else ''}{first['msg']}") from None
    except OSError as error:
        raise UnusableModel(f"model.json cannot be read: {error.strerror}") from None
