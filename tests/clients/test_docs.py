"""The page about clients says what is true: every block of it runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import bcrypt
import psycopg
import pytest

from api_main.core.settings import Settings
from tests.clients.conftest import Project
from tests.missing import missing
from tests.patience import PATIENCE
from tests.people import create_person

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


def block(language: str, project: Project) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    text = found[1].replace("http://localhost:8000", project.url)
    return text.replace("sb_publishable_…", project.publishable_key)


@pytest.fixture(scope="module")
def demo_tasks(admin: psycopg.Connection[Any], settings: Settings, project: Project) -> list[str]:
    """The demo account of `./scripts/dev`, with a task."""
    hashed = bcrypt.hashpw(b"correct-horse-demo", bcrypt.gensalt(12)).decode()
    columns: dict[str, Any] = {"email": "ada@example.com", "encrypted_password": hashed, "email_confirmed_at": "now"}
    admin.execute("delete from auth.users where email = 'ada@example.com'")  # what other tests made up
    ada = create_person(admin, settings, **columns)
    admin.execute("insert into public.tasks (owner_id, title) values (%s, 'Run the docs')", (ada.id,))
    return ["Run the docs"]


def run(command: list[str], source: str | None = None) -> str:
    result = subprocess.run(
        command, input=source, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_block_for_supabase_js_runs(project: Project, demo_tasks: list[str]) -> None:
    if not (ROOT / "node_modules" / "@supabase" / "supabase-js").is_dir():
        missing("supabase-js is not installed")
    # Older Node.js needs what the page says below the block.
    key = f"'{project.publishable_key}'"
    source = block("js", project).replace(key, f"{key}, {{ realtime: {{ transport: ws }} }}")
    printed = run(["node", "--input-type=module", "-"], f"import ws from 'ws'\n{source}\nprocess.exit(0)")
    assert printed == "[ 'Run the docs' ]"


def test_the_block_for_supabase_py_runs(project: Project, demo_tasks: list[str]) -> None:
    assert run([sys.executable, "-"], block("python", project)) == str(demo_tasks)


def test_the_block_for_curl_runs(project: Project, demo_tasks: list[str]) -> None:
    assert run(["bash", "-eu"], block("bash", project)) == str(demo_tasks)
