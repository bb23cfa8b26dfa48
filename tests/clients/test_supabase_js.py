"""supabase-js from npm, unchanged, against us."""

import subprocess
from pathlib import Path

from tests.clients.conftest import Project
from tests.missing import missing
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


def test_supabase_js_works_unchanged(project: Project) -> None:
    if not (ROOT / "node_modules" / "@supabase" / "supabase-js").is_dir():
        missing("supabase-js is not installed: npm ci")
    script = str(Path(__file__).with_name("supabase_js.mjs"))
    command = ["node", script, project.url, project.publishable_key, project.secret_key]
    result = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE, check=False, cwd=ROOT)
    assert result.stdout.splitlines()[-1:] == ["ok"], result.stderr
