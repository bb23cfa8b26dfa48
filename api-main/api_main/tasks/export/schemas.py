"""What an export is asked for."""

from enum import StrEnum

from pydantic import Field

from api_main.tasks.schemas import TaskFilter, Words


class ExportFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        return "text/csv" if self is ExportFormat.CSV else "application/x-ndjson"


class TaskExportQuery(TaskFilter):
    q: Words | None = None
    format: ExportFormat | None = Field(
        default=None, description="Without it, CSV for `Accept: text/csv`, and NDJSON for everybody else"
    )


def format_of(wanted: TaskExportQuery, accept: str) -> ExportFormat:
    """What was asked for by name, or else by `Accept`."""
    accepts_csv = ExportFormat.CSV.media_type in accept.lower()
    return wanted.format or (ExportFormat.CSV if accepts_csv else ExportFormat.NDJSON)
