"""A built folder is whole or it is built again, whatever happens to it and however many build at once."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api_gpu.models.build_cache import MANIFEST, BuildCache, Recipe, is_whole
from tests.patience import PATIENCE, wait_until

BUILDER = """
import sys, time
from pathlib import Path
from api_gpu.models.build_cache import BuildCache, Recipe

cache, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def build(folder):
    with log.open("a") as file:
        file.write("built\\n")
    (folder / "half").write_bytes(b"1" * 1000)
    time.sleep(seconds)
    (folder / "other half").write_bytes(b"2" * 1000)

print(BuildCache(cache).folder(Recipe("slow", [b"1"], build)), flush=True)
"""


def two_files(folder: Path) -> None:
    (folder / "1").mkdir()
    (folder / "1" / "model.onnx").write_bytes(b"graph" * 100)
    (folder / "tokenizer.json").write_bytes(b"{}")


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("model", [b"weights", b"code"], two_files)


def truncate(folder: Path) -> None:
    os.truncate(folder / "1" / "model.onnx", 100)


def flip(folder: Path) -> None:
    file = folder / "1" / "model.onnx"
    content = bytearray(file.read_bytes())
    content[250] ^= 1
    file.write_bytes(content)


def remove(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def forget(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def scribble(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1, 2")


def misshape(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1, 2]")


def clear(folder: Path) -> None:
    (folder / MANIFEST).write_text("{}")


@pytest.mark.parametrize("damage", [truncate, flip, remove, empty, forget, scribble, misshape, clear])
def test_a_damaged_folder_is_built_again(tmp_path: Path, recipe: Recipe, damage: Callable[[Path], None]) -> None:
    folder = BuildCache(tmp_path / "cache").folder(recipe)
    damage(folder)
    assert not is_whole(folder)
    assert BuildCache(tmp_path / "cache").folder(recipe) == folder
    assert (folder / "1" / "model.onnx").read_bytes() == b"graph" * 100
    assert (folder / "tokenizer.json").read_bytes() == b"{}"
    assert is_whole(folder)


def test_a_whole_folder_is_not_built_again(tmp_path: Path, recipe: Recipe) -> None:
    folder = BuildCache(tmp_path).folder(recipe)
    before = (folder / "1" / "model.onnx").stat().st_ino
    assert BuildCache(tmp_path).folder(recipe) == folder
    assert (folder / "1" / "model.onnx").stat().st_ino == before


def test_other_ingredients_make_another_folder(tmp_path: Path, recipe: Recipe) -> None:
    other = Recipe("model", [b"weights", b"newer code"], two_files)
    moved = Recipe("model", [b"weightscode", b""], two_files)
    cache = BuildCache(tmp_path)
    assert len({cache.folder(each) for each in (recipe, other, moved)}) == 3


def test_a_build_that_fails_leaves_no_folder(tmp_path: Path, recipe: Recipe) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_bytes(b"1")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        BuildCache(tmp_path).folder(Recipe("model", recipe.ingredients, fail))
    assert is_whole(BuildCache(tmp_path).folder(recipe))


def start_builder(tmp_path: Path, seconds: float) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", BUILDER, str(tmp_path / "cache"), str(tmp_path / "log"), str(seconds)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    builders = [start_builder(tmp_path, 0.5) for _ in range(3)]
    folders = {builder.communicate(timeout=PATIENCE)[0] for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "built\n"
    (folder,) = (Path(line.decode().strip()) for line in folders)
    assert is_whole(folder)


def test_a_builder_that_is_killed_holds_up_nobody(tmp_path: Path) -> None:
    killed = start_builder(tmp_path, 60)

    def is_at_it() -> bool:
        assert killed.poll() is None
        return any(tmp_path.glob("cache/*.unfinished/half"))

    wait_until(is_at_it)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    next_one = start_builder(tmp_path, 0)
    folder = Path(next_one.communicate(timeout=PATIENCE)[0].decode().strip())
    assert is_whole(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["half", MANIFEST, "other half"]
