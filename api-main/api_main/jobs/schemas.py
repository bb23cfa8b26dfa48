"""What goes over the wire about jobs."""

from base64 import b64decode
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Base64Encoder, BaseModel, EncodedBytes, Field, JsonValue, PlainSerializer
from pydantic_core import PydanticCustomError

from api_main.core.fields import Strict, Text, Timestamp
from api_main.core.i18n import _, say
from api_main.core.pagination import CursorText, Limit
from api_main.images.schemas import ThumbnailQuery
from api_main.jobs.models import Job, JobPriority, JobState

MAX_CONTENT = 16 * 1024 * 1024
MOST_DAYS = 365
WORKER_LOST = _("The worker was lost each time that it ran this job.")
"""What `private.tidy_jobs` writes, where nobody knows the owner's language: it is said when somebody reads it."""


class _Form(Strict):
    priority: JobPriority = Field(default=JobPriority.NORMAL, description="Which of the queued jobs comes first")

    @property
    def parameters(self) -> dict[str, Any]:
        """What the worker must know, besides the kind and the file."""
        return self.model_dump(mode="json", exclude={"kind", "priority", "content"})


class ExportForm(_Form):
    """Write all of the caller's tasks into a file."""

    kind: Literal["tasks.export"]
    format: Literal["csv", "json", "icalendar"]


class ImportForm(_Form):
    """Create tasks from a file; `POST /jobs/import` takes the file itself."""

    kind: Literal["tasks.import"]
    format: Literal["csv", "json"]
    on_error: Literal["abort", "skip"] = Field(
        default="abort", description="`abort`: all rows or none. `skip`: all rows that are good"
    )
    content: Annotated[Text, Field(min_length=1, max_length=MAX_CONTENT, description="The text of the file")]


class ReportForm(_Form):
    """Count the caller's tasks: by status and priority, by age, and day by day."""

    kind: Literal["tasks.report"]
    format: Literal["json", "svg"]
    days: int = Field(default=30, ge=1, le=MOST_DAYS, strict=True, description="How far the burn-down goes back")


class _StrictBase64(Base64Encoder):
    """Pydantic's own passes over what is no base64 at all."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        try:
            return b64decode(data, validate=True)
        except ValueError:
            raise PydanticCustomError("base64_decode", "This is no base64") from None


class PictureOptions(ThumbnailQuery):
    """What becomes of each picture of a batch."""

    operation: Literal["thumbnail", "hash"] = Field(description="`hash` leaves width, height and format unused")
    priority: JobPriority = Field(default=JobPriority.NORMAL, description="Which of the queued jobs comes first")


Archive = Annotated[
    bytes,
    EncodedBytes(encoder=_StrictBase64),
    Field(min_length=1, description="A ZIP archive of PNG, JPEG and WebP images"),
]


class PicturesForm(PictureOptions):
    """Make thumbnails or hashes of many pictures; `POST /jobs/images` takes the archive itself."""

    kind: Literal["images.batch"]
    content: Archive

    @property
    def parameters(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"kind", "priority", "content"})


JobForm = Annotated[ExportForm | ImportForm | ReportForm | PicturesForm, Field(discriminator="kind")]

FORM_EXAMPLES: dict[str, Any] = {
    "export": {"summary": "All tasks as CSV", "value": {"kind": "tasks.export", "format": "csv"}},
    "import": {
        "summary": "Tasks from CSV; rows that are wrong are left out",
        "value": {
            "kind": "tasks.import",
            "format": "csv",
            "on_error": "skip",
            "content": "title,priority\nWrite the announcement,high\n",
        },
    },
    "images": {
        "summary": "Thumbnails of the pictures in a ZIP archive",
        "value": {"kind": "images.batch", "operation": "thumbnail", "width": 128, "content": "UEsFBgAAAAAAAAAA…"},
    },
    "report": {"summary": "A chart", "value": {"kind": "tasks.report", "format": "svg", "days": 14}},
}


class ImportQuery(Strict):
    """How to import; the media type of the body says what."""

    on_error: Literal["abort", "skip"] = Field(
        default="abort", description="`abort`: all rows or none. `skip`: all rows that are good"
    )
    priority: JobPriority = Field(default=JobPriority.NORMAL, description="Which of the queued jobs comes first")


class JobListQuery(Strict):
    """Which jobs. Values of one filter are alternatives; different filters must all hold."""

    state: list[JobState] = Field(default=[], max_length=5, description="In one of these states")
    kind: list[Annotated[Text, Field(max_length=101)]] = Field(
        default=[], max_length=10, description="Of one of these kinds"
    )
    limit: Limit = 50
    cursor: CursorText = None


class JobProgress(BaseModel):
    done: int = Field(description="How much is done, in rows or the like")
    total: int | None = Field(description="How much there is; null while that is not known")


class JobFileInfo(BaseModel):
    name: str
    media_type: str
    size: int = Field(description="In bytes")


class JobResult(BaseModel):
    """What came of a job that succeeded."""

    summary: dict[str, JsonValue] = Field(description="Numbers such as `rows` or `created`, depending on the kind")
    file: JobFileInfo | None = Field(description="What `GET /jobs/{job_id}/result` answers with")


class JobFailure(BaseModel):
    """Why a job failed."""

    code: str = Field(description="Stable, for programs; see docs/jobs.md")
    message: Annotated[str, PlainSerializer(say, return_type=str)]
    details: JsonValue = None


class JobRead(BaseModel):
    id: UUID
    kind: str
    state: JobState
    priority: JobPriority
    parameters: dict[str, JsonValue]
    progress: JobProgress
    attempts: int = Field(description="How often it was begun")
    result: JobResult | None
    error: JobFailure | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    expires_at: Timestamp | None = Field(description="When a finished job is deleted, and its file with it")

    @classmethod
    def of(cls, job: Job) -> Self:
        columns = {name: getattr(job, name) for name in cls.model_fields if name != "progress"}
        return cls(**columns, progress=JobProgress(done=job.done, total=job.total))
