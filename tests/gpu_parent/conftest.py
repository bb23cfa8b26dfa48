"""Parents that are gone when their test is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gpu_parent.running import Parent

NewParent = Callable[..., Parent]


@pytest.fixture
def new_parent(tmp_path: Path) -> Iterator[NewParent]:
    """Start a parent; keyword arguments are variables of its environment."""
    parents: list[Parent] = []

    def start(**environment: str) -> Parent:
        directory = tmp_path / str(len(parents))
        directory.mkdir()
        parents.append(Parent(directory, is_weighed=False, **environment))
        return parents[-1]

    yield start
    for parent in parents:
        parent.end()
