"""`tasks.export`: all of the owner's tasks as a file."""

from collections.abc import AsyncIterator, Callable, Mapping

from api_main.core.database import RlsSession
from api_main.jobs.work import Outcome, Progress, ResultFile, Work, joined
from api_main.tasks.exchange import rows, writing
from api_main.tasks.schemas import TaskRead

Writer = Callable[[AsyncIterator[TaskRead]], AsyncIterator[bytes]]

FILES: Mapping[str, tuple[Writer, str, str]] = {
    "csv": (writing.write_csv, "tasks.csv", "text/csv"),
    "json": (writing.write_json, "tasks.json", "application/json"),
    "icalendar": (writing.write_icalendar, "tasks.ics", "text/calendar"),
}
MEDIA_TYPES = tuple(media_type for _writer, _name, media_type in FILES.values())


async def run(session: RlsSession, work: Work) -> Outcome:
    write, name, media_type = FILES[work.parameters["format"]]
    total = await rows.count(session)
    counted = _Counted(rows.read_all(session), work.progress, total)
    content = joined([chunk async for chunk in write(counted.tasks())])
    return Outcome({"rows": counted.done}, ResultFile(name, media_type, content))


class _Counted:
    """Tasks that are counted as they pass."""

    def __init__(self, source: AsyncIterator[TaskRead], progress: Progress, total: int) -> None:
        self._source, self._progress, self._total = source, progress, total
        self.done = 0

    async def tasks(self) -> AsyncIterator[TaskRead]:
        async for task in self._source:
            yield task
            self.done += 1
            await self._progress(self.done, self._total)
