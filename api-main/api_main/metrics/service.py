"""How the database does, for those who run it."""

from api_main.core.database import Database
from api_main.core.statements import shown
from api_main.metrics import queries
from api_main.metrics.schemas import DatabaseMetrics, PoolMetrics, Statement, Statements


async def database_metrics(database: Database, most: int) -> DatabaseMetrics:
    """The pool, and so many of the slowest statements."""
    pool = PoolMetrics.of(database.statistics)
    found = await queries.slowest_statements(database, most)
    slowest = [Statement(**{**row, "query": shown(row["query"])}) for row in found or ()]
    return DatabaseMetrics(pool=pool, statements=Statements(available=found is not None, slowest=slowest))
