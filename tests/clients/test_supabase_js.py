"""supabase-js from npm, unchanged, against us."""

import subprocess
from pathlib import Path

from tests.clients.conftest import Project
from tests.missing import missing
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, *arguments: str) -> None:
    if not (ROOT / "node_modules" / "@supabase" / "supabase-js").is_dir():
        missing("supabase-js is not installed: npm ci")
    command = ["node", str(Path(__file__).with_name(script)), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE, check=False, cwd=ROOT)
    assert result.stdout.splitlines()[-1:] == ["ok"], result.stderr


def test_supabase_js_works_unchanged(project: Project) -> None:
    run("supabase_js.mjs", project.url, project.publishable_key, project.secret_key)


def test_supabase_js_gets_codes_instead_of_tokens_where_it_asks_for_them(mailing_project: Project) -> None:
    run("supabase_js_pkce.mjs", mailing_project.url, mailing_project.publishable_key)
