"""api-gpu, as a route asks for it."""

from typing import Annotated

from fastapi import Depends, Request

from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable


async def get_gpu(request: Request) -> GpuClient:
    gpu: GpuClient | None = request.app.state.gpu
    if gpu is None:
        raise GpuUnavailable("There is no service for this here.")
    return gpu


CurrentGpu = Annotated[GpuClient, Depends(get_gpu)]
"""The client of api-gpu; a 503 where none is set up."""
