"""An export whose client stalls, goes, or is cut off, on a real socket and with one connection to the database."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.metrics import METER
from api_main.core.settings import Settings
from api_main.main import create_app
from api_main.tasks import queries
from api_main.tasks.export import service
from tests.conftest import NewPerson
from tests.patience import PATIENCE, wait_until
from tests.people import Person
from tests.serving import serve

EXPORT = "/api/v1/tasks/export"
TASKS, LENGTH, CHUNK = 4_000, 5_000, 100  # more than what all buffers between the two ends hold
FILL = """
insert into public.tasks (owner_id, title, description)
select %s, 'Task', repeat('x', %s) from generate_series(1, %s)
"""


@dataclass
class Served:
    """An application with one connection, and how many chunks it has asked for."""

    url: str
    person: Person
    others: list[int]  # connections to the database that are not its own
    chunks: Iterator[int]
    asked: int = 0

    @contextmanager
    def stalled(self) -> Iterator[httpx.Response]:
        """An export of which nothing has been read but its head."""
        with (
            httpx.Client(base_url=self.url, timeout=PATIENCE) as http,
            http.stream("GET", EXPORT, headers=self.person.headers) as answer,
        ):
            assert answer.status_code == 200
            yield answer


@pytest.fixture
def served(
    settings: Settings, admin: psycopg.Connection[Any], new_person: NewPerson, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    person = new_person()
    admin.execute(FILL, (person.id, LENGTH, TASKS))
    one = {"database_pool_min": 1, "database_pool_max": 1, "revocation_strict": True}
    others = [pid for (pid,) in admin.execute("select pid from pg_stat_activity")]
    with serve(create_app(settings.model_copy(update=one))) as url:
        found = Served(url, person, others, itertools.count(1))
        original: Callable[..., Any] = queries.chunk

        def counted(*arguments: Any) -> Any:
            found.asked = next(found.chunks)
            return original(*arguments)

        monkeypatch.setattr(service, "CHUNK", CHUNK)
        monkeypatch.setattr(queries, "chunk", counted)
        yield found
    admin.execute("delete from auth.users where id = %s", (person.id,))


def test_a_client_that_stalls_keeps_no_connection_and_gets_everything_later(served: Served) -> None:
    with served.stalled() as answer:
        for _ in range(3):
            other = httpx.get(f"{served.url}/api/v1/tasks?limit=1", headers=served.person.headers, timeout=PATIENCE)
            assert other.status_code == 200
        assert served.asked < TASKS / CHUNK
        assert sum(part.count(b"\n") for part in answer.iter_raw()) == TASKS
    assert served.asked == TASKS / CHUNK + 1


def test_when_the_client_goes_the_reading_stops(served: Served) -> None:
    with served.stalled():
        assert METER.in_flight == 1
    wait_until(lambda: METER.in_flight == 0)
    assert served.asked < TASKS / CHUNK


TROUBLE = {
    "signed out": "delete from auth.sessions where user_id = %(person)s",
    "banned": "update auth.users set banned_until = 'infinity' where id = %(person)s",
    "connection lost": "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
    " where usename = 'api_main' and pid <> all (%(others)s)",
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_a_stream_that_cannot_go_on_is_broken_off_and_the_client_notices(
    served: Served, admin: psycopg.Connection[Any], trouble: str
) -> None:
    with served.stalled() as answer:
        admin.execute(trouble.encode(), {"person": served.person.id, "others": served.others})
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            answer.read()
    assert served.asked <= TASKS / CHUNK


def test_a_token_that_expires_breaks_the_stream_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with served.stalled() as answer:
        # Its time is over: it is looked at again, and nothing is left of it.
        monkeypatch.setattr("api_main.auth.verifier.time", SimpleNamespace(time=lambda: 2**40, monotonic=monotonic))
        monkeypatch.setattr("api_main.auth.verifier.LEEWAY_SECONDS", -(10**9))
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            answer.read()


def test_the_head_of_an_export_reads_one_chunk(served: Served) -> None:
    answer = httpx.head(served.url + EXPORT, headers=served.person.headers, timeout=PATIENCE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tasks.ndjson"'
    wait_until(lambda: METER.in_flight == 0)
    assert served.asked <= 2
