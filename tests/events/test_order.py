"""Ids in the order of the commits, whatever order the transactions began and wrote in."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random
from typing import Any

import psycopg
import pytest

from tests.patience import PATIENCE
from tests.people import Person

Connection = psycopg.Connection[Any]

INSERT = "insert into public.tasks (owner_id, title) values (%s, %s) returning id"
EVENTS = """
  select e.last_id - cardinality(e.subjects) + s.place, s.subject
  from public.live_events e, unnest(e.subjects) with ordinality s (subject, place)
  where e.owner_id = %s and e.last_id > %s order by 1
"""


@pytest.fixture
def connections(admin_url: str) -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(psycopg.connect(admin_url)) for _ in range(4)]


def seen_after(connection: Connection, person: Person, last: int) -> list[tuple[int, Any]]:
    return connection.execute(EVENTS, (person.id, last)).fetchall()


def test_who_commits_first_comes_first(connections: list[Connection], admin: Connection, ada: Person) -> None:
    """And whoever has seen that one is told of the other, which was written before it."""
    early, late, *_ = connections
    written = early.execute(INSERT, (ada.id, "written first")).fetchall()
    committed = late.execute(INSERT, (ada.id, "committed first")).fetchall()
    late.commit()
    assert seen_after(admin, ada, 0) == [(1, *committed[0])]
    early.commit()
    assert seen_after(admin, ada, 1) == [(2, *written[0])]


def test_what_is_rolled_back_leaves_no_gap(connections: list[Connection], admin: Connection, ada: Person) -> None:
    connection = connections[0]
    connection.execute(INSERT, (ada.id, "never"))
    connection.rollback()
    with connection.transaction():
        connection.execute(INSERT, (ada.id, "a"))
        with connection.transaction(force_rollback=True):
            connection.execute(INSERT, (ada.id, "never"))
        connection.execute(INSERT, (ada.id, "b"))
    assert [number for number, _ in seen_after(admin, ada, 0)] == [1, 2]


def test_a_long_transaction_keeps_nobody_waiting(connections: list[Connection], admin: Connection, ada: Person) -> None:
    """Not even the same person: an import that runs for minutes must not lock them out of their own tasks."""
    long, short, *_ = connections
    long.execute(INSERT, (ada.id, "the import"))
    short.execute("set lock_timeout = '1 s'")
    short.execute(INSERT, (ada.id, "meanwhile"))
    short.commit()
    assert len(seen_after(admin, ada, 0)) == 1
    long.commit()
    assert [number for number, _ in seen_after(admin, ada, 0)] == [1, 2]


def test_transactions_of_several_people_never_wait_for_each_other_in_a_circle(
    connections: list[Connection], admin: Connection, ada: Person, bob: Person
) -> None:
    """Each writes for both, in opposite orders, statement by statement, and all commit at once."""
    together = threading.Barrier(len(connections), timeout=PATIENCE)

    def write(connection: Connection, people: list[Person]) -> None:
        for _ in range(20):
            for person in people:
                connection.execute(INSERT, (person.id, "both"))
            together.wait()
            connection.commit()

    with ThreadPoolExecutor(len(connections)) as pool:
        orders = [[ada, bob], [bob, ada]] * 2
        for done in [pool.submit(write, *each) for each in zip(connections, orders, strict=True)]:
            done.result(PATIENCE)
    for person in (ada, bob):
        assert [number for number, _ in seen_after(admin, person, 0)] == list(range(1, 81))


def test_a_reader_who_goes_on_from_the_last_id_misses_nothing_and_sees_nothing_twice(
    connections: list[Connection], admin: Connection, ada: Person
) -> None:
    """While four connections write, wait, commit and roll back, in any order."""
    written = ThreadPoolExecutor(len(connections))

    def write(seed: int, connection: Connection) -> None:
        chance = Random(seed)
        for _ in range(60):
            for _ in range(chance.randint(1, 3)):
                connection.execute(INSERT, (ada.id, "x"))
                connection.execute("select pg_sleep(%s)", (chance.random() / 200,))
            connection.rollback() if chance.random() < 0.2 else connection.commit()

    running = [written.submit(write, seed, connection) for seed, connection in enumerate(connections)]
    seen: list[tuple[int, Any]] = []
    while not all(each.done() for each in running):
        seen += seen_after(admin, ada, seen[-1][0] if seen else 0)
    for each in running:
        each.result()
    seen += seen_after(admin, ada, seen[-1][0])
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    tasks = admin.execute("select id from public.tasks where owner_id = %s", (ada.id,)).fetchall()
    assert {subject for _, subject in seen} == {task for (task,) in tasks}
    assert len(seen) == len(tasks)


def test_a_thousand_writes_are_one_notification(admin_url: str, connections: list[Connection], ada: Person) -> None:
    with psycopg.connect(admin_url, autocommit=True) as listener:
        listener.execute("listen live_events")
        for number in range(1000):
            connections[0].execute(INSERT, (ada.id, str(number)))
        connections[0].commit()
        heard = [note.payload for note in listener.notifies(timeout=PATIENCE, stop_after=1)]
        heard += [note.payload for note in listener.notifies(timeout=0)]
    assert [payload for payload in heard if payload.startswith(str(ada.id))] == [f"{ada.id} 1000"]


def test_deleting_an_account_leaves_nothing_that_follows(admin: Connection, ada: Person) -> None:
    admin.execute(INSERT, (ada.id, "mine"))
    admin.execute("delete from auth.users where id = %s", (ada.id,))
    assert admin.execute("select from public.live_feeds where owner_id = %s", (ada.id,)).fetchall() == []
    assert admin.execute("select from public.live_events where last_id is null").fetchall() == []
