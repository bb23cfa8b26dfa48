"""Models on the disk: `<models>/<name>/{model.json, tokenizer.json, <version>/model.onnx}`.

A version is a number; the highest is the newest. A name that is not in the directory may be that of a model that
comes with the service, whose folder is then built.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from api_gpu.errors import ModelNotFound
from api_gpu.models.build_cache import BuildCache, Recipe
from api_gpu.models.definition import Definition, UnusableModel, read_definition

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
VERSION = re.compile(r"[1-9][0-9]{0,17}")
GRAPH = "model.onnx"
BUILT_VERSION = "1"
MEBIBYTE = 1024 * 1024

Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """One version of a model.

    Attributes:
        memory: bytes, as far as they are known: those of its files, unless `model.json` says more.
        stamp: changes when one of the files does.
    """

    name: str
    version: str
    folder: Path
    definition: Definition
    memory: int
    stamp: Stamp

    @property
    def graph(self) -> Path:
        return self.folder / self.version / GRAPH

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"


class Repository:
    """A user's models, and those that come with the service."""

    def __init__(self, directory: Path, cache: BuildCache, built_in: Mapping[str, Callable[[], Recipe]]) -> None:
        self._directory = directory
        self._cache = cache
        self._built_in = built_in

    def names(self) -> list[str]:
        """Every model, whether it can be loaded or not."""
        found = {path.name for path in _entries(self._directory) if NAME.fullmatch(path.name) and path.is_dir()}
        return sorted(found | set(self._built_in))

    def versions(self, name: str) -> list[str]:
        """The versions of a model, oldest first; none if its folder has none.

        Raises:
            ModelNotFound
        """
        folder = self._folder(name)
        if folder is None:
            return [BUILT_VERSION]
        found = (path.name for path in _entries(folder) if VERSION.fullmatch(path.name) and (path / GRAPH).is_file())
        return sorted(found, key=int)

    def newest(self, name: str) -> str:
        """The newest version of a model.

        Raises:
            ModelNotFound, UnusableModel
        """
        versions = self.versions(name)
        if not versions:
            raise UnusableModel(f"no folder with a number for a name holds a {GRAPH}")
        return versions[-1]

    def files(self, name: str, version: str) -> ModelFiles:
        """The files of a version, built first if need be. Blocks: for worker threads.

        Raises:
            ModelNotFound, UnusableModel
        """
        if version not in self.versions(name):
            raise ModelNotFound(f'There is no version "{version}" of the model "{name}".')
        folder = self._folder(name) or self._build(name)
        stamp = _stamp(folder, version)
        definition = read_definition(folder / "model.json")
        on_disk = sum(size for _path, size, _modified, _inode in stamp)
        memory = on_disk if definition.memory_mb is None else definition.memory_mb * MEBIBYTE
        return ModelFiles(name, version, folder, definition, memory, stamp)

    def _folder(self, name: str) -> Path | None:
        """None for a model that comes with the service, unless the user has one of that name."""
        if NAME.fullmatch(name):
            folder = self._directory / name
            if folder.is_dir():
                return folder
            if name in self._built_in:
                return None
        raise ModelNotFound(f'There is no model "{name}".')

    def _build(self, name: str) -> Path:
        try:
            return self._cache.folder(self._built_in[name]())
        except OSError as error:  # Timeout, of the lock, is one too
            why = "another process holds its lock" if isinstance(error, Timeout) else error.strerror
            raise UnusableModel(f"it cannot be built in the cache: {why}") from None


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _stamp(folder: Path, version: str) -> Stamp:
    shared = (folder / "model.json", folder / "tokenizer.json")
    paths = [path for path in (*shared, *(folder / version).rglob("*")) if path.is_file()]
    stats = ((str(path), path.stat()) for path in sorted(paths))
    return tuple((path, stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats)
