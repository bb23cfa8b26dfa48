"""The README says what is true: its `curl` screen runs as it stands, its map names what exists."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.patience import PATIENCE
from tests.serving import serve

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture
def server_url(settings: Settings) -> Iterator[str]:
    with serve(create_app(settings)) as url:
        yield url


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_every_place_on_the_map_exists() -> None:
    places = re.findall(r"^\| `([^`]+/)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(places) >= 9
    assert [place for place in places if not (README.parent / place).is_dir()] == []


def test_the_screen_of_curl_ends_with_what_bob_cannot_see(server_url: str) -> None:
    screen = next(block for block in blocks("bash") if "curl" in block).replace("http://localhost:8000", server_url)
    result = subprocess.run(["bash", "-euc", screen], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.stdout.splitlines() == ["Tell <mark>nobody</mark>", "completed", "404", "[]"], result.stderr
