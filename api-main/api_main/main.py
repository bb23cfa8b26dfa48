"""The application: `create_app(settings)` puts middleware, routers and resources together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

import httpx
import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api_main.api import LARGE_BODIES, include_routers
from api_main.auth.issuers import configured_issuers, own_issuer_name
from api_main.auth.service import Accounts
from api_main.auth.signing import SigningKeys
from api_main.auth.tokens import TokenIssuer
from api_main.auth.verifier import TokenVerifier
from api_main.core import error_handlers
from api_main.core.database import Database
from api_main.core.logging import configure_logging
from api_main.core.middleware import BodyLimit, HeadAsGet, LastResort, RequestContext, Timeout
from api_main.core.openapi import operation_id
from api_main.core.settings import Settings
from api_main.core.versioning import Versioning

log = structlog.get_logger()

DESCRIPTION = """
A JWT in; the rows that Postgres lets its bearer see out.

Every answer has one form: `{"success": true, "data": …}` or `{"success": false, "error": {"code": …}}`.
"""
EXPOSED_HEADERS = ["X-Request-ID", "ETag", "Location", "Retry-After", "Deprecation", "Sunset"]
JWKS_TIMEOUT = httpx.Timeout(3.0, connect=2.0)


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application for these settings. It connects to nothing until it is started."""
    configure_logging(settings)
    app = FastAPI(
        title="Hybrid Auth API",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_lifespan(settings),
        generate_unique_id_function=operation_id,
        redirect_slashes=False,  # behind a proxy a redirect could lead to plain http, token and all
    )
    error_handlers.install(app)
    include_routers(app, settings)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost."""
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, large=LARGE_BODIES)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Versioning)
    app.add_middleware(Timeout, seconds=settings.request_timeout)
    app.add_middleware(LastResort)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "X-API-Version", "X-Request-ID"],
        expose_headers=EXPOSED_HEADERS,
        max_age=600,
    )
    app.add_middleware(RequestContext, settings=settings)


def _lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        keys = SigningKeys.parse(settings.signing_keys) if settings.signing_keys else None
        database = Database(settings)
        verifier = TokenVerifier()
        async with httpx.AsyncClient(timeout=JWKS_TIMEOUT) as client:
            for issuer in configured_issuers(settings, keys, client, verifier.flush):
                verifier.trust(issuer)
            app.state.database = database
            app.state.verifier = verifier
            app.state.jwks = keys.jwks if keys else {"keys": []}
            if keys is not None:
                tokens = TokenIssuer(keys, issuer=own_issuer_name(settings), lifetime=settings.access_token_seconds)
                app.state.accounts = Accounts(database, tokens)
            await database.open()
            log.info("started", environment=settings.environment, standalone=settings.is_standalone)
            yield
            await database.close()
            log.info("stopped")

    return lifespan


@cache
def _from_environment() -> FastAPI:
    return create_app(Settings())


def __getattr__(name: str) -> FastAPI:
    """`api_main.main:app`, made when a server asks for it: importing this module reads no environment."""
    if name == "app":
        return _from_environment()
    raise AttributeError(name)
