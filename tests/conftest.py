"""A real PostgreSQL per test process, the real application on it, and people who use it."""

import asyncio
import gc
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import hypothesis
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

import api_main.auth.supabase.accounts  # noqa: F401 - slipcover miscounts what is tested and loaded late, from Python 3.12
from api_main.auth import passwords
from api_main.auth.generate import generate_signing_key
from api_main.core.limits.declarations import ELSEWHERE, SIGN_IN, declared_scopes
from api_main.core.settings import Settings
from api_main.gpu.client import open_gpu
from api_main.main import create_app
from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from tests.gpu.stand_in import StandIn
from tests.patience import PATIENCE
from tests.people import Person, create_person
from tests.redis_server import LocalRedis, running_redis
from tests.rls.serving import Service, serve

API_PASSWORD = "api-main-password"
LONG = {"local_stack", "e2e", "benchmarks", "containers", "contract", "gpu_parent", "moving", "migrations", "faults"}
FAST_BUT_FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "scram_iterations": "1",  # of passwords that stand here
}

hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

NewPerson = Callable[..., Person]


def pytest_configure(config: pytest.Config) -> None:
    """Have a folder of this run's own: pytest's usual one is closed to servers as soon as a second pytest starts."""
    os.environ["RATE_LIMIT_ENABLED"] = "false"  # of the processes that tests start: they ask often
    if config.option.basetemp is None:
        config.option.basetemp = folder = tempfile.mkdtemp(prefix="tests-")
        config.add_cleanup(partial(_remove, folder))


def _remove(folder: str) -> None:
    """Without waiting: by then it has a hundred thousand files."""
    os.spawnlp(os.P_NOWAIT, "rm", "rm", "-rf", folder)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over modules and tests: they stay to the end, and are most of what there is."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, in each process with files of its own: at the end none should wait for another.

    Each is given as many items as any other, in this order, and takes over from the end of another's afterwards.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    files = [list(file) for _, file in groupby(items, key=lambda item: item.path)]
    long = [file for file in files if file[0].path.parent.name in LONG]
    short = chain.from_iterable(file for file in files if file[0].path.parent.name not in LONG)
    shares = [list(chain.from_iterable(long[process::processes])) for process in range(processes)]
    most = len(items) // processes
    items[:] = [item for share in shares for item in (*share, *islice(short, max(0, most - len(share))))]
    items += short


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def cheap_bcrypt() -> Iterator[None]:
    """Few tests are about what a password costs; at full cost they would take half a minute longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "COST", 4)
        patch.setattr(passwords, "NOBODYS_HASH", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4)).decode())
        yield


@pytest.fixture(scope="session", autouse=True)
def few_tls_contexts() -> Iterator[None]:
    """Hardly anybody here is asked over TLS, and to prepare for it takes each client longer than to ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of this test process alone, with the newest schema in its database `postgres`."""
    directory = tmp_path_factory.mktemp("postgres") / "data"
    with EmbeddedPostgres(directory, options=FAST_BUT_FORGETFUL) as server:
        prepare_database(server.url(), login_password=API_PASSWORD)
        yield server


@pytest.fixture(scope="session")
def admin_url(postgres: EmbeddedPostgres) -> str:
    """The administrator, whom Row Level Security does not bind: for arranging and for looking."""
    return postgres.url()


@pytest.fixture(scope="session")
def api_url(postgres: EmbeddedPostgres) -> str:
    """The login of api-main."""
    return postgres.url(user="api_main", password=API_PASSWORD)


@pytest.fixture(scope="session")
def signing_key() -> dict[str, Any]:
    return generate_signing_key()


def generous_limits() -> dict[str, str]:
    """Limits that no test notices, but for ten guesses at a password."""
    noticed = {SIGN_IN}
    return dict.fromkeys({*ELSEWHERE, *declared_scopes()} - noticed, "1000000/hour")


@pytest.fixture(scope="session")
def settings(api_url: str, signing_key: dict[str, Any]) -> Settings:
    return Settings(
        _env_file=None,
        environment="test",
        database_url=api_url,
        database_pool_min=1,
        database_pool_max=8,
        database_pool_timeout=PATIENCE,
        request_timeout=PATIENCE,
        live_connection_seconds=0.2,  # whoever asks every route must not wait for streams; `tests/events` has its own
        email_autoconfirm=True,
        jwt_signing_keys=json.dumps(signing_key),
        public_url="http://api.test",
        log_level="WARNING",
        metrics_port=0,
        rate_limits=generous_limits(),
        rate_limit_enabled=True,
    )


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The API, without a network. For what happens on sockets, see `tests/e2e`."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
        yield http


@pytest.fixture(scope="session")
def admin(admin_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def new_person(admin: psycopg.Connection[Any], settings: Settings) -> NewPerson:
    """Make an account with a live session and a token, without the time that bcrypt takes."""

    def create(**columns: Any) -> Person:
        return create_person(admin, settings, **columns)

    return create


@pytest.fixture
def ada(new_person: NewPerson) -> Person:
    return new_person()


@pytest.fixture
def bob(new_person: NewPerson) -> Person:
    return new_person()


@pytest.fixture
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """What the event loop reports meanwhile: failures that nobody else was told of."""
    loop, reported = asyncio.get_running_loop(), list[dict[str, Any]]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    yield reported
    loop.set_exception_handler(before)


@pytest.fixture(scope="session")
def built_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where api-gpu builds its models, once for all processes of a run: who comes first builds, the others wait."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built-models"


@pytest.fixture(scope="session")
def served_gpu() -> Iterator[tuple[StandIn, str]]:
    stand_in = StandIn()
    with stand_in.serve() as url:
        yield stand_in, url


@pytest.fixture
def gpu(served_gpu: tuple[StandIn, str]) -> Iterator[StandIn]:
    """A stand-in for api-gpu, in a good mood unless a test says otherwise."""
    stand_in, _ = served_gpu
    stand_in.reset()
    yield stand_in
    stand_in.finish_starting()


@pytest.fixture
def gpu_settings(settings: Settings, gpu: StandIn, served_gpu: tuple[StandIn, str]) -> Settings:
    """Settings of an API that knows the stand-in."""
    return with_gpu(settings, *served_gpu)


@pytest.fixture(scope="module")
async def service_with_gpu(settings: Settings, served_gpu: tuple[StandIn, str]) -> AsyncIterator[Service]:
    async with serve(with_gpu(settings, *served_gpu)) as service:
        yield service


@pytest.fixture
async def gpu_http(service_with_gpu: Service, gpu_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An API that has never asked the stand-in for anything."""
    async with open_gpu(gpu_settings) as service_with_gpu.app.state.gpu:
        yield service_with_gpu.client


def with_gpu(settings: Settings, gpu: StandIn, url: str) -> Settings:
    key = SecretStr(json.dumps(gpu.key))
    where = {"gpu_url": url, "gpu_signing_key": key}
    return settings.model_copy(update={**where, "gpu_timeout": PATIENCE, "embedding_sweep_seconds": 0.2})


@pytest.fixture(scope="session")
def session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(session_redis: LocalRedis) -> LocalRedis:
    """A real Redis with nothing in it."""
    session_redis.start()
    session_redis.command("FLUSHALL")
    return session_redis
