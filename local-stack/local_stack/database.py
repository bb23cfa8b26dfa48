"""The database of `./scripts/dev`: the embedded one, or the one that DATABASE_URL names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from local_stack.errors import StartError
from local_stack.postgres import EmbeddedPostgres
from local_stack.preparation import sentence

LOGIN = "api_main"
PREFERRED_PORT = 54322  # where `supabase start` has its Postgres
OLDEST_VERSION = 15
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class AdministratorAddress:
    """Where the database is.

    Attributes:
        admin_url: an administrator's address, database named, to prepare it with.
        shown_url: what the user is shown.
    """

    admin_url: str
    shown_url: str

    def login_url(self, password: str) -> str:
        """The same database as seen by the API's own login."""
        return with_login(self.admin_url, LOGIN, password)


def with_login(url: str, user: str, password: str) -> str:
    """Exchange the user and the password of a libpq URL.

    Supabase's pooler wants the project after a dot, as in `postgres.abcdef`: it stays.
    """
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    project = login.partition(":")[0].partition(".")[2]
    name = quote(f"{user}.{project}" if project else user, safe="")
    options = _options(parts, without={"user", "password"})
    return _join(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}", query=options))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    options = _options(parts, without={"password"})
    return _join(parts._replace(netloc=user + (":…" if colon else "") + at + host, query=options))


def _options(parts: SplitResult, *, without: set[str]) -> str:
    kept = [(key, value) for key, value in parse_qsl(parts.query) if key not in without]
    return urlencode(kept, safe="/", quote_via=quote)  # to libpq a plus sign is no space


def _join(parts: SplitResult) -> str:
    # `geturl` drops the slashes of an address without a host.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def external_database(url: str) -> AdministratorAddress:
    """Check that the address works, and complete it with the name of the database."""
    if not _is_address(url):  # what it is instead may hold a password: it is not repeated
        raise StartError("DATABASE_URL is not an address such as postgresql://user:password@host:5432/database.")
    with _connect(url) as connection:
        version, name = connection.info.server_version, connection.info.dbname
    if version < OLDEST_VERSION * 10_000:
        raise StartError(f"DATABASE_URL leads to PostgreSQL {version // 10_000}; {OLDEST_VERSION} or newer is needed.")
    complete = _join(urlsplit(url)._replace(path="/" + quote(name, safe="")))
    return AdministratorAddress(complete, _without_password(complete))


def _is_address(url: str) -> bool:
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        return False
    return url.startswith(("postgresql://", "postgres://"))


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_SECONDS)
    except (psycopg.Error, ValueError, UnicodeError) as error:
        raise StartError(f"DATABASE_URL does not work: {sentence(error)}.") from None
    with connection:
        yield connection


def embedded_database(server: EmbeddedPostgres) -> AdministratorAddress:
    """The database of a running embedded server; tools reach it over TCP."""
    return AdministratorAddress(server.url(), server.tcp_url())
