"""What a kind of job is: what it is given, and what it gives back."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api_main.auth.scopes import Scope
from api_main.core.database import RlsSession
from api_main.core.i18n import _
from api_main.core.prelude import Identity
from api_main.core.settings import Settings
from api_main.gpu.client import GpuClient

MAX_RESULT = 64 * 1024 * 1024  # bytes; a worker holds them in memory
TOO_LARGE = _("The file would have more than {most} MiB.", most=MAX_RESULT // 1024**2)


class JobFailed(Exception):
    """The job cannot succeed, however often it is tried.

    Attributes:
        code: stable, for programs; documented in docs/jobs.md.
        message: one sentence for people.
        details: more, as JSON.
    """

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        self.code, self.message, self.details = code, message, details
        super().__init__(message)


class NotNow(Exception):
    """What the job needs is away. It waits so many seconds, as often as it takes: this is no failure of its own."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"not before {seconds:g} s")


@dataclass(frozen=True, slots=True)
class ResultFile:
    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: numbers for the owner, and a file where there is one."""

    summary: Mapping[str, Any]
    file: ResultFile | None = None


Progress = Callable[[int, int | None], Awaitable[None]]
"""Say how much is done, of how much. Cheap: most calls write nothing.

Raises:
    Superseded: the job was cancelled, or another worker has begun it anew. Let it pass.
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A job as its kind sees it."""

    id: UUID
    owner: Identity
    settings: Settings
    parameters: Mapping[str, Any]
    content: bytes = field(repr=False)
    progress: Progress
    gpu: GpuClient | None = None


Handler = Callable[[RlsSession, Work], Awaitable[Outcome]]
"""Does the work in a transaction of the owner's, which also records the outcome: all of it is kept, or nothing.

Raises:
    JobFailed: there is no use in trying again.
    NotNow: something that it needs is away. Any other exception is a failure, and is tried again.
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job.

    Attributes:
        scope: what a personal token must allow besides `jobs:write`: a job does as its owner what a route would do.
        makes: the media types of its files.
    """

    handler: Handler
    scope: Scope
    makes: tuple[str, ...] = ()


def joined(chunks: Iterable[bytes]) -> bytes:
    """A file in one piece.

    Raises:
        JobFailed: it becomes too large.
    """
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_RESULT:
            raise JobFailed("result_too_large", TOO_LARGE)
    return bytes(content)
