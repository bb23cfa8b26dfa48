"""The embedded server: passwords everywhere, and no state from which it does not start again."""

import signal
import socket
from pathlib import Path

import psycopg
import pytest

from local_stack import processes, programs
from local_stack.errors import StartError
from local_stack.postgres import EmbeddedPostgres
from local_stack.server_account import allow_traversal

FAST = {"fsync": "off"}


def ask(address: str, question: str = "select 1") -> object:
    with psycopg.connect(address) as connection:
        row = connection.execute(question).fetchone()
        return row and row[0]


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_nobody_gets_in_without_the_password(postgres: EmbeddedPostgres, password: str | None) -> None:
    for url in (postgres.url, postgres.tcp_url):
        address = url(user="api_main", password=password)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(address)


def test_scram_is_the_only_way_in(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url()) as admin:
        methods = admin.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
        secret = admin.execute("select rolpassword from pg_authid where rolname = 'postgres'").fetchone()
    assert methods == [("scram-sha-256",)]
    assert secret
    assert secret[0].startswith("SCRAM-SHA-256$")


def test_text_is_the_same_everywhere_and_vectors_are_there(postgres: EmbeddedPostgres) -> None:
    assert ask(postgres.url(), "show server_encoding") == "UTF8"
    assert ask(postgres.url(), "show timezone") == "UTC"
    assert ask(postgres.url(), "select upper('élan')") == "ÉLAN"
    assert ask(postgres.url(), "select true from pg_available_extensions where name = 'vector'") is True


def test_it_keeps_its_port_its_address_and_its_data(folder: Path) -> None:
    with EmbeddedPostgres(folder / "data", options=FAST) as server:
        before = (server.port, server.url(), server.tcp_url())
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("create table kept as select 42 as answer")
        server.stop()
        assert not server.is_running
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(before[2])
        server.start()
        server.start()  # nothing to do
        server.kill()
        server.start()
        assert (server.port, server.url(), server.tcp_url()) == before
        assert ask(server.url(), "select answer from kept") == 42


def test_a_server_that_was_left_over_is_stopped_first(folder: Path) -> None:
    forgotten = EmbeddedPostgres(folder / "data", options=FAST)
    forgotten.start()
    with EmbeddedPostgres(folder / "data", options=FAST) as server:
        assert not forgotten.is_running
        assert ask(server.url()) == 1


def test_a_stale_pid_file_is_not_believed(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", options=FAST)
    server.start()
    server.kill()
    # Somebody else of the same account has the number now: PostgreSQL alone would refuse to start.
    stranger = programs.spawn(["/bin/sleep", "60"], folder / "log")
    pid_file = server.cluster / "postmaster.pid"
    rest = pid_file.read_text(encoding="utf-8").partition("\n")[2]
    pid_file.write_text(f"{stranger.pid}\n{rest}", encoding="utf-8")
    try:
        with server:
            assert ask(server.url()) == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_creation_that_was_interrupted_is_begun_anew(folder: Path) -> None:
    (folder / "data" / "cluster.unfinished").mkdir(parents=True)
    (folder / "data" / "cluster.unfinished" / "PG_VERSION").write_text("18", encoding="utf-8")
    with EmbeddedPostgres(folder / "data", options=FAST) as server:
        assert ask(server.url()) == 1


def test_a_path_that_is_too_long_for_a_socket(folder: Path) -> None:
    with EmbeddedPostgres(folder / ("long" * 30), options=FAST) as server:
        assert not server.socket_directory.is_relative_to(folder)
        assert server.socket_directory.stat().st_mode & 0o777 == 0o700
        assert ask(server.url()) == 1
    assert not server.socket_directory.exists()


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with EmbeddedPostgres(folder / "data", preferred_port=port, options=FAST) as server:
            assert server.port != port
        with pytest.raises(StartError, match=r"^PostgreSQL did not start: .* \(see .*postgres\.log\)\.$"):
            EmbeddedPostgres(folder / "data", port=port, options=FAST).start()


def test_a_setting_that_does_not_exist(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", options={**FAST, "no_such_setting": "on"})
    with pytest.raises(StartError, match='unrecognized configuration parameter "no_such_setting"'):
        server.start()
    assert not server.is_running


def test_others_may_pass_through_and_no_more(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a").chmod(0o700)
    folder.chmod(0o750)
    allow_traversal(folder / "a" / "b")
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder / "a")]
    assert modes == [0o751, 0o701]


def test_a_process_that_is_gone_is_no_obstacle(folder: Path) -> None:
    stranger = programs.spawn(["/bin/true"], folder / "log")
    (process,) = processes.family(stranger.pid) or [processes.Process()]
    stranger.wait()
    processes.signal(process, signal.SIGCONT)
    assert processes.family(stranger.pid) == []
    assert not processes.runs(process)
