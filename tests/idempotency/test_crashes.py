"""The API is killed while it creates something: sent again, the request is neither lost nor done twice."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.e2e.server import Server, running
from tests.idempotency.client import TASKS, created, is_replay, new_key
from tests.patience import wait_until
from tests.people import Person

Admin = psycopg.Connection[Any]
GATE = 4711
# Whoever writes one of these waits: the work is half done, or it is done and the answer is on its way with COMMIT.
GATES = f"""
create function public.wait_at_gate() returns trigger language plpgsql as
  'begin perform pg_advisory_xact_lock({GATE}); return new; end';
create trigger wait_at_gate after insert on public.tasks
  for each row when (new.title = 'half done') execute function public.wait_at_gate();
create trigger wait_at_gate after insert on public.idempotency_keys
  for each row execute function public.wait_at_gate();
"""
AT_THE_GATES = "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and not granted"


@contextmanager
def gates(admin: Admin) -> Iterator[None]:
    admin.execute(GATES)
    try:
        admin.execute("select pg_advisory_lock(%s)", (GATE,))
        yield
        admin.execute("select pg_advisory_unlock(%s)", (GATE,))
    finally:
        admin.execute("drop function public.wait_at_gate cascade")


@dataclass(frozen=True)
class Sender:
    """Somebody with a request, who sends it until an answer comes."""

    person: Person
    title: str
    key: str

    @property
    def body(self) -> bytes:
        return json.dumps({"title": self.title}).encode()

    def send_and_leave(self, server: Server) -> None:
        headers = {**self.person.headers, "Content-Type": "application/json", "Idempotency-Key": self.key}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = [f"POST {TASKS} HTTP/1.1", "Host: x", f"Content-Length: {len(self.body)}", *lines, "", ""]
        connection = server.connect()
        connection.sendall("\r\n".join(head).encode() + self.body)
        connection.detach()  # open until this process ends: the server must not notice that nobody waits

    def send(self, server: Server) -> httpx.Response:
        headers = {**self.person.headers, "Content-Type": "application/json", "Idempotency-Key": self.key}
        answer = server.post(TASKS, content=self.body, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer


def test_a_killed_server_has_done_it_and_kept_the_answer_or_neither(
    settings: Settings, tmp_path: Path, admin: Admin, new_person: NewPerson
) -> None:
    early, late, done = (Sender(new_person(), title, new_key()) for title in ("half done", "committing", "done"))

    def has_created(sender: Sender) -> bool:
        return created(admin, sender.person) == 1

    with running(settings, tmp_path) as server:
        done.send_and_leave(server)
        wait_until(lambda: has_created(done))
        with gates(admin):
            early.send_and_leave(server)
            late.send_and_leave(server)
            wait_until(lambda: admin.execute(AT_THE_GATES, (GATE,)).fetchone() == (2,))
            server.process.kill()
            server.process.wait()
    with running(settings, tmp_path) as server:
        assert [is_replay(sender.send(server)) for sender in (early, late, done)] == [False, True, True]
        assert is_replay(early.send(server))
    assert has_created(early)
    assert has_created(late)
    assert has_created(done)
