"""Model folders that are made once and found again: each is whole, or it is not there.

A folder's name holds the hash of everything that goes into it, and a manifest in it the hash of every file. A folder
that does not match its manifest (a full disk, a killed process, a stray write) is made anew.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

MANIFEST = "manifest.json"
LOCK_TIMEOUT = 300.0  # seconds; a build takes a few


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a model's folder: the same ingredients give the same bytes."""

    name: str
    ingredients: Sequence[bytes]
    build: Callable[[Path], None]

    @property
    def key(self) -> str:
        digest = hashlib.sha256()
        for ingredient in self.ingredients:
            digest.update(hashlib.sha256(ingredient).digest())
        return digest.hexdigest()[:16]


class BuildCache:
    """Built folders under one directory, which any number of processes may share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def folder(self, recipe: Recipe) -> Path:
        """The recipe's folder, built if it is missing or damaged. Blocks: for worker threads.

        Raises:
            OSError, or what the recipe raises.
        """
        folder = self._directory / f"{recipe.name}-{recipe.key}"
        if not is_whole(folder):
            self._directory.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f"{folder.name}.lock"), timeout=LOCK_TIMEOUT):
                if not is_whole(folder):  # another process may have built it while this one waited
                    _build(recipe, folder)
        return folder


def is_whole(folder: Path) -> bool:
    """Whether every file of a folder is the one that was written, byte for byte."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return bool(manifest) and all(_digest(folder / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


def _build(recipe: Recipe, folder: Path) -> None:
    """Make the folder beside its place and move it there whole. The caller holds the lock."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    recipe.build(unfinished)
    files = sorted(path for path in unfinished.rglob("*") if path.is_file())
    manifest = {path.relative_to(unfinished).as_posix(): _digest(path) for path in files}
    (unfinished / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
