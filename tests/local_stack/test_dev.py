"""`./scripts/dev` as its user meets it: it starts, it serves, and it leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from local_stack.postgres import EmbeddedPostgres
from local_stack.seed import DEMO_PASSWORD
from tests.local_stack.running import Stack
from tests.patience import PATIENCE

NOBODY = 65534


def tasks_of(stack: Stack, email: str) -> set[str]:
    """Sign in, and return the ids of the tasks that this account sees."""
    api = f"http://127.0.0.1:{stack.port}/api/v1"
    login = httpx.post(f"{api}/auth/login", json={"email": email, "password": DEMO_PASSWORD}, timeout=PATIENCE)
    assert login.status_code == 200, login.text
    bearer = {"Authorization": f"Bearer {login.json()['data']['access_token']}"}
    return {task["id"] for task in httpx.get(f"{api}/tasks", headers=bearer, timeout=PATIENCE).json()["data"]}


def use_the_keys(stack: Stack) -> None:
    """Do with the keys and the mailbox that are shown what Supabase's clients do."""
    auth, email = f"http://127.0.0.1:{stack.port}/auth/v1", f"{uuid4().hex}@example.com"
    publishable, secret = ({"apikey": stack.shown(f"{kind} key")} for kind in ("Publishable", "Secret"))
    form = {"email": email, "password": DEMO_PASSWORD}
    session = httpx.post(f"{auth}/signup", json=form, headers=publishable).json()
    assert session["token_type"] == "bearer", "e-mails are confirmed by themselves"
    assert httpx.get(f"{auth}/admin/users", headers=publishable).status_code == 403
    assert httpx.get(f"{auth}/admin/users/{session['user']['id']}", headers=secret).json()["email"] == email
    httpx.post(f"{auth}/recover", json={"email": email}, headers=publishable).raise_for_status()
    deadline = time.monotonic() + 20
    while email not in httpx.get(stack.shown("Mailbox")).text:
        assert time.monotonic() < deadline, "no mail came"
        time.sleep(0.1)


def job_is_done(stack: Stack, email: str) -> bool:
    """Sign in, queue a job, and tell whether a worker does it."""
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.port}/api/v1") as api:
        login = api.post("/auth/login", json={"email": email, "password": DEMO_PASSWORD})
        api.headers["Authorization"] = f"Bearer {login.json()['data']['access_token']}"
        job = api.post("/jobs", json={"kind": "tasks.export", "format": "csv"}).json()["data"]
        deadline = time.monotonic() + PATIENCE
        while job["state"] in {"queued", "running"} and time.monotonic() < deadline:
            time.sleep(0.05)
            job = api.get(f"/jobs/{job['id']}").json()["data"]
        return bool(job["state"] == "succeeded")


def test_it_serves_demo_accounts_and_leaves_no_process_after_ctrl_c(folder: Path) -> None:
    with Stack(folder / "data", real=True) as stack:
        stack.wait_until_shown()
        assert (stack.get("/health/ready"), stack.get("/docs")) == (200, 200)
        ada, grace = tasks_of(stack, "ada@example.com"), tasks_of(stack, "grace@example.com")
        assert (len(ada), len(grace), len(ada | grace)) == (5, 5, 10)
        use_the_keys(stack)
        assert job_is_done(stack, "ada@example.com")
        with psycopg.connect(stack.shown("Database")) as tool:
            assert tool.info.host == "127.0.0.1"
        assert len(stack.family) > 5
        assert stack.interrupt() == 0
        assert stack.is_gone()
        assert "Traceback" not in stack.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_to_stop_are_obeyed(data: Path, number: signal.Signals) -> None:
    with Stack(data).wait_until_shown() as stack:
        stack.process.send_signal(number)
        assert stack.exit_code() == 0
        assert stack.is_gone()


def test_a_signal_during_the_start_is_obeyed(folder: Path) -> None:
    with Stack(folder / "data") as stack:
        stack.wait_until_said("Creating")
        assert stack.interrupt() == 0
        assert not (folder / "data" / "postgres" / "cluster" / "postmaster.pid").exists()
        assert "Traceback" not in stack.text


def test_two_run_side_by_side_and_a_second_one_in_the_same_folder_does_not(data: Path, folder: Path) -> None:
    with Stack(data) as one, Stack(folder / "two") as two:
        one.wait_until_shown()
        two.wait_until_shown()
        assert (one.get("/health/ready"), two.get("/health/ready")) == (200, 200)
        assert one.shown("Database") != two.shown("Database")
        assert one.shown("api-gpu") != two.shown("api-gpu")
        with Stack(data) as third:
            assert third.exit_code() == 1
            assert third.text == (
                f"Another instance runs in {data}: stop it, or set PORT and DATA_DIR for a second one.\n"
            )
        assert one.interrupt() == 0
        assert two.get("/health/ready") == 200
        assert two.interrupt() == 0
        assert one.is_gone()
        assert two.is_gone()


def test_a_second_start_recovers_from_kill_9(data: Path) -> None:
    with Stack(data).wait_until_shown() as killed:
        killed.process.kill()
        killed.process.wait()
        with Stack(data, PORT=killed.port).wait_until_shown() as second:
            assert killed.is_gone()
            assert second.get("/health/ready") == 200
            assert second.interrupt() == 0
            assert second.is_gone()


@pytest.mark.parametrize(
    ("program", "name"), [("uvicorn", "The API"), ("postgres", "PostgreSQL"), ("api_gpu", "api-gpu")]
)
def test_what_dies_by_itself_ends_the_rest(data: Path, program: str, name: str) -> None:
    with Stack(data).wait_until_shown() as stack:
        stack.child(program).kill()
        assert stack.exit_code() == 1
        assert f"{name} stopped by itself" in stack.text
        assert stack.is_gone()


def test_files_are_for_their_owner_alone_and_the_api_does_not_know_the_administrator(data: Path) -> None:
    with Stack(data).wait_until_shown() as stack:
        secret = (data / "postgres" / "superuser-password").read_text(encoding="utf-8")
        assert secret in stack.shown("Database")
        assert secret not in "".join(stack.child("uvicorn").environ().values())
        for path in ("signing_keys.json", "api-password", "postgres/superuser-password", "postgres/postgres.log"):
            assert (data / path).stat().st_mode & 0o777 == 0o600, path
        assert data.stat().st_mode & 0o076 == 0
        assert (data / "postgres" / "cluster").stat().st_mode & 0o777 == 0o700
        assert stack.interrupt() == 0


def test_database_url_is_used_as_it_is_and_nothing_is_embedded(
    folder: Path, foreign_postgres: EmbeddedPostgres
) -> None:
    with psycopg.connect(foreign_postgres.url(), autocommit=True) as admin:
        admin.execute("create database shop")
    with Stack(folder / "data", real=True, DATABASE_URL=foreign_postgres.tcp_url("shop")).wait_until_shown() as stack:
        assert not (folder / "data" / "postgres").exists()
        assert foreign_postgres.password not in stack.text
        assert len(tasks_of(stack, "ada@example.com")) == 5
        assert stack.interrupt() == 0
        assert stack.is_gone()
    with psycopg.connect(foreign_postgres.url("shop")) as admin:
        row = admin.execute("select email from public.profiles where is_superuser").fetchone()
        assert row == ("admin@example.com",)


def as_nobody() -> tuple[str, ...]:
    """Return the command of a Python that an ordinary user can run with our packages."""
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user already: every test here shows it")
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("setpriv is not installed")
    become = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    for python in (sys.executable, "/usr/bin/python3"):  # the first may lie in root's home
        command = (*become, "/usr/bin/env", f"PYTHONPATH={':'.join(path for path in sys.path if path)}", python)
        if subprocess.run([*command, "-c", "import local_stack.dev"], check=False, capture_output=True).returncode == 0:
            return command
    pytest.skip("no Python that an ordinary user may run has this version")


def test_an_ordinary_user_may_run_it(folder: Path) -> None:
    command = as_nobody()
    folder.chmod(0o755)
    (folder / "own").mkdir()
    os.chown(folder / "own", NOBODY, NOBODY)
    with Stack(folder / "own" / "data", python=command).wait_until_shown() as stack:
        assert {member.uids().real for member in stack.family} == {NOBODY}
        assert stack.get("/health/ready") == 200
        assert stack.interrupt() == 0
        assert stack.is_gone()
