"""The application: `create_app(settings)` puts the protocols in front of an engine."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from api_gpu import metrics
from api_gpu.access_log import AccessLog
from api_gpu.authorization import Authorization
from api_gpu.engine import Engine, EngineSettings
from api_gpu.error_answers import handle
from api_gpu.errors import GpuError
from api_gpu.log import configure_logging
from api_gpu.observer import PrometheusObserver
from api_gpu.open_inference import infer, models, repository, server
from api_gpu.openai import embeddings
from api_gpu.openai import models as openai_models
from api_gpu.settings import Settings
from api_gpu.traced import Traced
from service_wire import tracing
from service_wire.tensors import WireError

log = structlog.get_logger()

OpenEngine = Callable[[Settings], Engine]

ROUTES = [
    *server.routes,
    *infer.routes,
    *models.routes,
    *repository.routes,
    *embeddings.routes,
    *openai_models.routes,
    *metrics.routes,
]


def open_engine(settings: Settings) -> Engine:
    """The engine that these settings ask for."""
    engine_settings = EngineSettings(
        models_dir=settings.models_dir,
        cache_dir=settings.cache_dir,
        device=settings.device,
        precision=settings.precision,
        memory_budget_mb=settings.memory_budget_mb,
        queue_inputs=settings.queue_inputs,
        token_budget=settings.token_budget,
        threads=settings.threads,
    )
    return Engine(engine_settings, PrometheusObserver())


def create_app(settings: Settings, open_engine: OpenEngine = open_engine) -> Starlette:
    """The ASGI application for these settings. `app.state.engine` is there once it is started."""
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(AccessLog),
            Middleware(Authorization, settings.verifier),
            Middleware(Traced),
        ],
        exception_handlers=dict.fromkeys((GpuError, WireError, HTTPException), handle),
        lifespan=_lifespan(settings, open_engine),
    )
    app.router.redirect_slashes = False
    app.state.settings = settings
    return app


def _lifespan(settings: Settings, open_engine: OpenEngine) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with tracing.tracing("api-gpu", settings.tracing_variables):
            engine = app.state.engine = open_engine(settings)
            log.info("started", device=settings.device, problem=engine.device_problem)
            try:
                yield
            finally:
                await engine.close()
                log.info("stopped")

    return lifespan


def from_environment() -> Starlette:
    """The application of a process, or its end with one sentence per setting that will not do."""
    try:
        settings = Settings()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()]
        sys.exit("\n".join(fault.removeprefix(": ") for fault in faults))
    configure_logging(settings)
    return create_app(settings)
