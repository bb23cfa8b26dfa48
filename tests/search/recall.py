"""How many of the truly nearest tasks a search by meaning finds, under Row Level Security and with filters.

A database of its own: a few owners of very different size, vectors in clusters as those of texts are, and the truth by
NumPy.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg

from api_main.core.database import Database
from api_main.core.prelude import Identity
from api_main.tasks.models import TaskStatus
from api_main.tasks.search import queries
from api_main.tasks.search.queries import QueryVector, vector_literal
from api_main.tasks.search.schemas import SearchMode, TaskSearchQuery

DIMENSIONS = 384
CLUSTERS = 200
SPREAD = 1.2  # the noise around a cluster's middle, compared with the middle itself
MODEL = ("recall", "1")
STATUSES = tuple(TaskStatus)

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True)
class Owner:
    """Somebody with so many tasks; the status of the nth is the nth of the four, over and over."""

    id: UUID
    tasks: Sequence[UUID] = field(repr=False)
    vectors: Matrix = field(repr=False)

    @property
    def identity(self) -> Identity:
        return Identity("authenticated", json.dumps({"sub": str(self.id), "role": "authenticated"}))

    def nearest(self, vector: Matrix, many: int, status: int | None) -> set[UUID]:
        """The truth."""
        nearest = np.argsort(-(self.vectors @ vector[0]))
        eligible = [number for number in nearest if status is None or number % len(STATUSES) == status]
        return {self.tasks[number] for number in eligible[:many]}


class Clusters:
    """Vectors about a number of subjects."""

    def __init__(self, seed: int = 4) -> None:
        self._random = np.random.default_rng(seed)
        self._middles = self._random.normal(size=(CLUSTERS, DIMENSIONS)).astype(np.float32)

    def draw(self, many: int) -> Matrix:
        middles = self._middles[self._random.integers(CLUSTERS, size=many)]
        found = middles + SPREAD * self._random.normal(size=(many, DIMENSIONS)).astype(np.float32)
        unit: Matrix = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        return unit


def fill(admin_url: str, clusters: Clusters, sizes: Sequence[int]) -> list[Owner]:
    """Owners of so many tasks each, in tables as autovacuum would have left them. The index is built afterwards."""
    owners = [Owner(uuid4(), [uuid4() for _ in range(size)], clusters.draw(size)) for size in sizes]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        definition = _one(admin, "select pg_get_indexdef('public.task_embeddings_nearest_idx'::regclass)")
        admin.execute("drop index public.task_embeddings_nearest_idx")
        admin.execute("set session_replication_role = replica")  # nothing is to be queued
        for owner in owners:
            admin.execute("insert into auth.users (id) values (%s)", (owner.id,))
            _copy(admin, owner)
        admin.execute("set session_replication_role = origin; set maintenance_work_mem = '3GB'")
        admin.execute(definition.encode())
        admin.execute("vacuum (analyze)")
    return owners


def _copy(admin: psycopg.Connection[Any], owner: Owner) -> None:
    with admin.cursor() as cursor:
        with cursor.copy("copy public.tasks (id, owner_id, title, status) from stdin") as copy:
            for number, task in enumerate(owner.tasks):
                copy.write_row((task, owner.id, f"Task {number}", STATUSES[number % len(STATUSES)].value))
        into = "copy public.task_embeddings (task_id, owner_id, model, model_version, embedding) from stdin"
        with cursor.copy(into) as copy:
            for task, vector in zip(owner.tasks, owner.vectors, strict=True):
                copy.write_row((task, owner.id, *MODEL, vector_literal(vector.tolist())))


@dataclass(frozen=True)
class Recall:
    """What part of the truth was found, and in how many seconds each, the median."""

    found: float
    seconds: float


async def measure(database: Database, owner: Owner, vectors: Matrix, *, many: int, status: int | None = None) -> Recall:
    """Search for each vector as the owner, and compare with the truth."""
    found, seconds = [], []
    for vector in vectors:
        truth = owner.nearest(vector[None], many, status)
        wanted = TaskSearchQuery(
            q="x", mode=SearchMode.SEMANTIC, limit=many, status=[] if status is None else [STATUSES[status]]
        )
        query = queries.by_meaning(wanted, QueryVector(*MODEL, vector_literal(vector.tolist())))
        started = time.perf_counter()
        _, rows = await database.reader(owner.identity).fetch(queries.SETTINGS, query)
        seconds.append(time.perf_counter() - started)
        ids = {UUID((row[2] or b"").decode()) for row in rows[:many]}
        found.append(len(ids & truth) / len(truth) if truth else float(not ids))
    return Recall(float(np.mean(found)), float(np.median(seconds)))


def _one(admin: psycopg.Connection[Any], statement: str) -> str:
    row = admin.execute(statement.encode()).fetchone()
    assert row is not None
    value: str = row[0]
    return value
