"""A search by meaning finds what an exact scan finds, for owners of many tasks and of few, filtered or not."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from api_main.core.database import Database
from api_main.core.prelude import Query
from api_main.core.settings import Settings
from api_main.migrations.setup import prepare_database
from api_main.tasks.search import queries
from api_main.tasks.search.queries import QueryVector, vector_literal
from api_main.tasks.search.schemas import SearchMode, TaskSearchQuery
from local_stack.postgres import EmbeddedPostgres
from tests.conftest import API_PASSWORD
from tests.search.recall import MODEL, Clusters, Matrix, Owner, fill, measure

ENOUGH = 0.95
FEW = 400  # so that the index is asked with the tables of a test
SIZES = {"most of all tasks": 3000, "a fifth of them": 1000, "as many as are compared one by one": FEW, "five": 5}
DATABASE = "recall"


@pytest.fixture(scope="module")
def clusters() -> Clusters:
    return Clusters()


@pytest.fixture(scope="module")
def owners(postgres: EmbeddedPostgres, admin: psycopg.Connection[Any], clusters: Clusters) -> dict[str, Owner]:
    admin.execute(f"create database {DATABASE}")
    prepare_database(postgres.url(DATABASE), login_password=API_PASSWORD)
    return dict(zip(SIZES, fill(postgres.url(DATABASE), clusters, list(SIZES.values())), strict=True))


@pytest.fixture(scope="module")
def vectors(clusters: Clusters) -> Matrix:
    return clusters.draw(20)


@pytest.fixture
async def database(
    settings: Settings, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    monkeypatch.setattr(queries, "FEW", str(FEW))
    url = postgres.url(DATABASE, user="api_main", password=API_PASSWORD)
    database = Database(settings.model_copy(update={"database_url": url, "database_pool_max": 2}))
    await database.open()
    yield database
    await database.close()


@pytest.mark.parametrize("status", [None, 2], ids=["all", "completed"])
@pytest.mark.parametrize("who", SIZES)
async def test_what_is_nearest_is_found(
    database: Database, owners: dict[str, Owner], vectors: Matrix, who: str, status: int | None
) -> None:
    measured = await measure(database, owners[who], vectors, many=50, status=status)
    assert measured.found >= ENOUGH
    if SIZES[who] <= FEW:
        assert measured.found == 1


@pytest.mark.parametrize(("who", "way"), [("most of all tasks", "many"), ("five", "few")])
async def test_many_tasks_are_sought_in_the_index_and_few_are_compared_one_by_one(
    database: Database, owners: dict[str, Owner], vectors: Matrix, who: str, way: str
) -> None:
    plan = await explain(database, owners[who], vectors)
    index = next(line for line in plan if "task_embeddings_nearest_idx" in line)
    assert ("never executed" in index) == (way == "few")


async def explain(database: Database, owner: Owner, vectors: Matrix) -> list[str]:
    vector = QueryVector(*MODEL, vector_literal(vectors[0].tolist()))
    query = queries.by_meaning(TaskSearchQuery(q="x", mode=SearchMode.HYBRID), vector)
    explained = Query("explain (analyze, costs off) " + query.sql, query.parameters)
    _, rows = await database.reader(owner.identity).fetch(queries.SETTINGS, explained)
    return [(row[0] or b"").decode() for row in rows]
