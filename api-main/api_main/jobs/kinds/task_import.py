"""`tasks.import`: tasks out of a file, all or nothing, or all that are good."""

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from api_main.core.cache import forget_after
from api_main.core.database import RlsSession
from api_main.core.i18n import _, plural, say_all
from api_main.jobs.work import JobFailed, Outcome, ResultFile, Work
from api_main.tasks.exchange import rows
from api_main.tasks.exchange.reading import FileError, RowError, read
from api_main.tasks.schemas import TaskWrite
from api_main.tasks.tags import ALL_TASKS, tasks_of

MOST_ERRORS = 100  # that a failed job lists


async def run(session: RlsSession, work: Work) -> Outcome:
    """Read the file twice: once to know what is wrong with it, once to create what is not."""
    try:
        good, bad, errors = await _check(work)
    except FileError as fault:
        details = {"count": 1, "errors": [RowError(fault.line, None, fault.code, fault.message).as_json()]}
        raise JobFailed(
            "invalid_file", _("Line {line}: {what}", line=fault.line, what=fault.message), details
        ) from None
    if errors and work.parameters["on_error"] == "abort":
        listed = [error.as_json() for error in errors[:MOST_ERRORS]]
        sentence = plural("{n} row is wrong; none was imported.", "{n} rows are wrong; none was imported.", bad)
        raise JobFailed("invalid_rows", sentence, {"count": bad, "errors": listed})
    forget_after(session, ALL_TASKS, tasks_of(UUID(json.loads(work.owner.claims)["sub"])))
    await _create(session, work, good)
    report = {"created": good, "skipped": bad, "errors": [error.as_json() for error in errors]}
    content = json.dumps(say_all(report), indent=1, ensure_ascii=False).encode()
    return Outcome({"created": good, "skipped": bad}, ResultFile("import.json", "application/json", content))


async def _check(work: Work) -> tuple[int, int, list[RowError]]:
    good, bad, errors = 0, 0, list[RowError]()
    for number, row in enumerate(read(work.parameters["format"], work.content), start=1):
        if isinstance(row, list):
            bad += 1
            errors += row
        else:
            good += 1
        if number % rows.AT_ONCE == 0:
            await asyncio.sleep(0)  # others run on this loop too
    return good, bad, errors


async def _create(session: RlsSession, work: Work, total: int) -> None:
    forms, done = _good(work), 0
    while batch := list(islice(forms, rows.AT_ONCE)):
        await rows.add_all(session, batch)
        done += len(batch)
        await work.progress(done, total)


def _good(work: Work) -> Iterator[TaskWrite]:
    return (row for row in read(work.parameters["format"], work.content) if isinstance(row, TaskWrite))
