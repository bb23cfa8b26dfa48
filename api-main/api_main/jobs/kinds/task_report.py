"""`tasks.report`: the owner's tasks in numbers, or as a chart."""

from api_main.core.database import RlsSession
from api_main.jobs.work import Outcome, ResultFile, Work
from api_main.tasks.exchange import chart, statistics


async def run(session: RlsSession, work: Work) -> Outcome:
    counted = await statistics.count(session, work.parameters["days"])
    summary = {"total": counted.total, "open": counted.open, "overdue": counted.overdue}
    if work.parameters["format"] == "svg":
        return Outcome(summary, ResultFile("tasks.svg", "image/svg+xml", chart.draw(counted).encode()))
    return Outcome(summary, ResultFile("tasks.json", "application/json", counted.model_dump_json(indent=1).encode()))
