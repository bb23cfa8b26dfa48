"""The application: `create_app(settings)` puts middleware, routers and resources together."""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic import ValidationError
from uvicorn.config import STARTUP_FAILURE

from api_main.api import LARGE_BODIES, WITHOUT_HEAD, routes_for
from api_main.auth.client import Clients
from api_main.auth.outgoing import open_outgoing
from api_main.auth.protocol import errors as protocol_errors
from api_main.auth.read_route import FastLane
from api_main.auth.resources import add_resources
from api_main.auth.signing import SigningKeys
from api_main.core import error_handlers
from api_main.core.cache import Cache
from api_main.core.client_address import ClientAddress
from api_main.core.conditional import ConditionalGet, PublicDocuments
from api_main.core.connection import allow_many_connections
from api_main.core.database import Database
from api_main.core.fixed_paths import FixedPaths
from api_main.core.i18n import load_catalogues
from api_main.core.limits.declarations import Policy, UnknownLimit
from api_main.core.limits.limiter import Limiter
from api_main.core.limits.middleware import RateLimits
from api_main.core.listening import Listener, listening
from api_main.core.logging import configure_logging
from api_main.core.middleware import BodyLimit, CrossOrigin, HeadAsGet, LastResort, RequestContext
from api_main.core.openapi import describe_limits, operation_id
from api_main.core.redis import open_redis
from api_main.core.settings import Settings
from api_main.core.versioning import Versioning
from api_main.core.workers import declared_workers
from api_main.events.hub import open_hub
from api_main.gpu.client import open_gpu
from api_main.live_topics import TOPICS
from api_main.metrics.collectors import collectors_of_api
from api_main.metrics.listener import exposing_metrics
from api_main.tasks.embeddings.worker import embedding
from api_main.tasks.search.query_vectors import open_query_vectors
from api_main.users.keepers import choose_keeper
from service_wire import tracing

log = structlog.get_logger()

DESCRIPTION = """
A JWT in; the rows that Postgres lets its bearer see out.

Every answer has one form: `{"success": true, "data": …}` or `{"success": false, "error": {"code": …}}`.
Codes are for programs; messages are for people, and follow `Accept-Language`: English, German, French, Spanish,
Portuguese, Japanese, Arabic.
"""
PROTOCOL_PREFIX = "/auth/v1/"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
ALLOWED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-API-Version",
    "X-Request-ID",
    "traceparent",
    "tracestate",
]
EXPOSED_HEADERS = [
    "X-Request-ID",
    "ETag",
    "Location",
    "Retry-After",
    "Idempotency-Replayed",
    "Deprecation",
    "Sunset",
    "Server-Timing",
]
RATE_LIMIT_HEADERS = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
# What Supabase's clients send, and must be able to read.
CLIENT_HEADERS = ["apikey", "X-Client-Info", "X-Supabase-Api-Version"]
CLIENT_EXPOSED_HEADERS = ["X-Total-Count", "Link", "X-Supabase-Api-Version", "x-sb-error-code"]
# Of OpenTelemetry, traces alone, where they are wanted. Metrics are Prometheus', logs go to standard output, and its
# own copies of them would hold messages of exceptions.
TELEMETRY: TelemetryConfig = {
    "metrics": False,
    "logs": False,
    "auto_configure": False,
    "exclude": lambda scope: scope.get("path", "").startswith("/health"),
}
# Always asked for anew, and seldom sent: a release changes them.
PUBLIC_DOCUMENTS = dict.fromkeys(
    ("/openapi.json", "/docs", "/redoc", "/auth/v1/.well-known/jwks.json"), "public, no-cache"
)


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application for these settings. It connects to nothing until it is started."""
    configure_logging(settings)
    load_catalogues()
    if settings.signing_keys is not None:
        SigningKeys.parse(settings.signing_keys)  # what is wrong with them should stop the start, not the first request
    app = FastAPI(
        title="Hybrid Auth API",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_lifespan(settings),
        generate_unique_id_function=operation_id,
        telemetry={**TELEMETRY, "tracing": tracing.is_wanted({**settings.tracing_variables, **os.environ})},
        redirect_slashes=False,  # behind a proxy a redirect could lead to plain http, token and all
    )
    error_handlers.install(app, {PROTOCOL_PREFIX: protocol_errors.render})
    app.router.routes.extend(routes_for(settings))
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost."""
    app.add_middleware(FastLane, routes_of=app)
    app.add_middleware(FixedPaths, routes_of=app)
    app.add_middleware(PublicDocuments, paths=PUBLIC_DOCUMENTS)
    app.add_middleware(ConditionalGet)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, large=LARGE_BODIES)
    if settings.rate_limit_enabled:
        describe_limits(app)
        policy, clients = Policy(settings.rate_limits), Clients(settings)
        app.add_middleware(RateLimits, routes_of=app, policy=policy, identify=clients.identify)
    app.add_middleware(HeadAsGet, but_not=WITHOUT_HEAD)
    app.add_middleware(Versioning)
    app.add_middleware(LastResort, seconds=settings.request_timeout)
    app.add_middleware(
        CrossOrigin,
        allow_origins=settings.cors_origins,
        allow_methods=METHODS,
        allow_headers=ALLOWED_HEADERS + CLIENT_HEADERS,
        expose_headers=EXPOSED_HEADERS + RATE_LIMIT_HEADERS + CLIENT_EXPOSED_HEADERS,
        max_age=600,
    )
    app.add_middleware(RequestContext, settings=settings)
    if settings.trusted_proxies:
        app.add_middleware(ClientAddress, trusted=settings.trusted_proxies, header=settings.proxy_header)


def _lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        allow_many_connections()
        database = Database(settings)
        app.state.database = database
        async with open_redis(settings.redis_url) as redis, open_outgoing(settings) as outgoing:
            app.state.redis = redis
            app.state.cache, app.state.limiter = Cache(redis, settings.cache_secret), Limiter(redis)
            app.state.cache.serve(database)
            add_resources(app, settings, database, outgoing)
            app.state.user_keeper = choose_keeper(settings, outgoing.supabase if outgoing else None)
            await database.open()
            listener = Listener(database)
            if not settings.rate_limit_enabled:
                log.warning("rate_limits_are_off")
            async with open_gpu(settings) as gpu, open_query_vectors(gpu) as query_vectors:
                app.state.gpu, app.state.query_vectors = gpu, query_vectors
                with tracing.tracing("api-main", settings.tracing_variables):
                    async with (
                        exposing_metrics(settings, collectors_of_api(settings, database, redis)),
                        embedding(settings, database, listener, gpu),
                        open_hub(settings, database, listener, redis) as hub,
                        listening(listener),
                    ):
                        app.state.hub, app.state.topics = hub, TOPICS
                        log.info("started", environment=settings.environment, standalone=settings.is_standalone)
                        yield
            await database.close()
            log.info("stopped")

    return lifespan


@cache
def _from_environment() -> FastAPI:
    """The application, or the end of the process with one sentence per setting that will not do."""
    try:
        return create_app(Settings(**declared_workers(sys.argv)))
    except ValidationError as error:
        refused = "\n".join(_sentence(fault["loc"], fault["msg"]) for fault in error.errors())
    except UnknownLimit as error:
        refused = f"RATE_LIMITS: {error}"
    except (ValueError, OSError) as error:
        refused = f"JWT_SIGNING_KEYS: {error}"
    sys.stderr.write(refused + "\n")
    sys.exit(STARTUP_FAILURE)  # to uvicorn's parent the others would fail alike: it does not start them again


def _sentence(where: tuple[int | str, ...], fault: str) -> str:
    name = ".".join(map(str, where)).upper()
    return f"{name}: {fault}" if name else fault.removeprefix("Value error, ")


def __getattr__(name: str) -> FastAPI:
    """`api_main.main:app`, made when a server asks for it: importing this module reads no environment."""
    if name == "app":
        return _from_environment()
    raise AttributeError(name)
