"""What cannot work is refused in one sentence, with exit code 1, and nothing keeps running."""

import os
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest

from local_stack import database
from local_stack.configuration import ROOT, read_configuration
from local_stack.database import external_database
from local_stack.errors import StartError
from local_stack.postgres import EmbeddedPostgres
from tests.local_stack.running import Stack
from tests.ports import free_port


def test_a_port_in_use(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Stack(folder / "data", PORT=port) as stack:
            assert stack.exit_code() == 1
            assert stack.text == (
                f"Port {port} of 127.0.0.1 cannot be used: Address already in use; set PORT to another one.\n"
            )
    assert not (folder / "data" / "postgres").exists()


def test_a_data_directory_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").touch()  # holds for root as well
    with Stack(folder / "file" / "data") as stack:
        assert stack.exit_code() == 1
        assert stack.text == f"DATA_DIR {folder / 'file' / 'data'} cannot be written: Not a directory.\n"


def test_a_database_that_is_not_there(folder: Path) -> None:
    address = f"postgresql://someone:secret@127.0.0.1:{free_port()}/shop"
    with Stack(folder / "data", DATABASE_URL=address) as stack:
        assert stack.exit_code() == 1
        assert stack.text.splitlines()[-1].startswith("DATABASE_URL does not work: connection to server at")
        assert len(stack.text.splitlines()) == 2  # the step that failed, and why
        assert "secret" not in stack.text


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("not an address, but a secret", "DATABASE_URL is not an address such as"),
        ("mysql://root:secret@localhost/shop", "DATABASE_URL is not an address such as"),
        ("postgresql://u:secret@127.0.0.1:port/shop", "DATABASE_URL does not work: "),
        ("postgresql://u:secret@[::1/shop", "DATABASE_URL is not an address such as"),
        ("postgresql://u:secret%@127.0.0.1/shop", "DATABASE_URL is not an address such as"),
        ("postgresql://u:secret@/shop?host=/nowhere", "DATABASE_URL does not work: "),
    ],
)
def test_a_broken_address(address: str, sentence: str) -> None:
    with pytest.raises(StartError) as refused:
        external_database(address)
    message = str(refused.value)
    assert message.startswith(sentence)
    assert message.endswith(".")
    assert "\n" not in message
    assert "secret" not in message


def test_the_address_is_completed_with_the_database_and_shown_without_its_password(
    postgres: EmbeddedPostgres,
) -> None:
    where = f"host={postgres.socket_directory}&port={postgres.port}"
    address = external_database(f"postgresql://?{where}&user=postgres&password={postgres.password}")
    assert address.shown_url == f"postgresql:///postgres?{where}&user=postgres"
    assert address.login_url("p") == f"postgresql://api_main:p@/postgres?{where}"
    with psycopg.connect(address.admin_url) as connection:
        assert connection.info.dbname == "postgres"


def test_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(StartError, match='password authentication failed for user "postgres"'):
        external_database(postgres.tcp_url(password="wrong"))


def test_a_missing_database(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(StartError, match='database "nowhere" does not exist'):
        external_database(postgres.url("nowhere"))


def test_a_server_that_is_too_old(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST_VERSION", 19)
    with pytest.raises(StartError, match="DATABASE_URL leads to PostgreSQL 18; 19 or newer is needed"):
        external_database(postgres.url())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "eighty"}, "PORT: "),
        ({"PORT": "65536"}, "PORT: "),
        ({"SUPABASE_URL": "https://project.example"}, "SUPABASE_URL is set, so DATABASE_URL must be too"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=sentence):
        read_configuration()


def run_environment(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the first part of every script in an empty checkout, with the few programs that it needs."""
    (folder / "bin").mkdir(exist_ok=True)
    for program in ("sh", "cat", "cksum", "dirname"):
        (folder / "bin" / program).symlink_to(f"/usr/bin/{program}")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    return subprocess.run(
        ["sh", "-c", ". scripts/_environment"],
        cwd=folder,
        env={"PATH": str(folder / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python(folder: Path) -> None:
    result = run_environment(folder)
    assert result.returncode == 1
    assert result.stderr.startswith("Python 3.11 or newer is needed, and none was found")
    assert result.stderr.count("\n") == 1


def test_a_python_without_the_venv_module(folder: Path) -> None:
    python = folder / "python"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\n', encoding="utf-8")
    python.chmod(0o755)
    result = run_environment(folder, PYTHON=str(python))
    assert result.returncode == 1
    assert result.stderr == (
        f"{python} has no venv module: install it (on Debian and Ubuntu: apt install python3-venv).\n"
    )
    assert not os.path.lexists(folder / ".venv")
