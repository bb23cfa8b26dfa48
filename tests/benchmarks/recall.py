"""`./scripts/bench recall [--tasks N]`: searches by meaning among a million tasks, next to an exact scan.

One person owns a tenth of all tasks; some a little more or less than are compared one by one; one owns twenty; and all
others belong to people with a hundred each. Takes half an hour on two cores, most of it to build the index, and 10 GB.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from api_main.core.database import Database
from api_main.core.settings import Settings
from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from tests.benchmarks.dataset import new_signing_keys
from tests.search.recall import Clusters, Matrix, Owner, fill, measure

OPTIONS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "8GB", "shared_buffers": "2GB"}
PASSWORD = "of-the-api"
SEARCHES = 50
NEAREST = 50
ORDINARY = 100  # tasks of each of the others


def sizes(tasks: int) -> list[int]:
    some = [tasks // 10, tasks // 40, tasks // 55, tasks // 1000, 20]
    return some + [ORDINARY] * ((tasks - sum(some)) // ORDINARY)


def benchmark(tasks: int) -> Iterator[str]:
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data", options=OPTIONS) as server:
        prepare_database(server.url(), login_password=PASSWORD)
        clusters = Clusters()
        started = time.perf_counter()
        owners = fill(server.url(), clusters, sizes(tasks))
        yield f"{tasks:,} tasks of {len(owners):,} people, filled in {time.perf_counter() - started:.0f} s"
        yield f"{'tasks of the searcher':>22}  {'filter':<10}  recall@{NEAREST}  median ms"
        url = server.url(user="api_main", password=PASSWORD)
        yield from asyncio.run(_measure(url, owners[:6], clusters.draw(SEARCHES)))


async def _measure(url: str, owners: list[Owner], vectors: Matrix) -> list[str]:
    database = Database(Settings(_env_file=None, database_url=url, jwt_signing_keys=new_signing_keys()))
    await database.open()
    lines = []
    for owner in owners:
        for name, status in {"none": None, "a quarter": 2}.items():
            found = await measure(database, owner, vectors, many=NEAREST, status=status)
            lines.append(f"{len(owner.tasks):>22,}  {name:<10}  {found.found:>9.3f}  {found.seconds * 1000:>9.1f}")
    await database.close()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench recall", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    for line in benchmark(parser.parse_args().tasks):
        print(line, flush=True)


if __name__ == "__main__":
    main()
