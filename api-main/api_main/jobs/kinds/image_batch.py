"""`images.batch`: the pictures of a ZIP archive, made smaller or hashed by api-gpu."""

import asyncio
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from api_main.core.database import RlsSession
from api_main.core.errors import ValidationFailed
from api_main.core.i18n import _, plural, say
from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable
from api_main.images import service
from api_main.images.inspection import inspect
from api_main.images.router import MOST_BYTES
from api_main.images.schemas import ThumbnailQuery
from api_main.jobs.work import MAX_RESULT, TOO_LARGE, JobFailed, NotNow, Outcome, ResultFile, Work

MOST_PICTURES = 1000
AT_ONCE = 4
LEAST_WAIT = 5.0  # seconds until a batch that found api-gpu away begins anew
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one picture: bytes of a thumbnail, a hash, or the reason why there is neither."""

    name: str
    content: bytes | None = None
    hash: str | None = None
    error: dict[str, str] | None = None


async def run(_session: RlsSession, work: Work) -> Outcome:
    gpu = work.gpu
    if gpu is None:
        raise JobFailed("images_unavailable", "No service for pictures is set up here.")
    archive, members = _open(work.content)
    try:
        await gpu.wake(gpu.start_deadline())
        made = list[Made]()
        for start in range(0, len(members), AT_ONCE):
            pictures = [_process(gpu, work, archive, member) for member in members[start : start + AT_ONCE]]
            made += _all_or_none(await asyncio.gather(*pictures, return_exceptions=True))
            await work.progress(len(made), len(members))
    except GpuUnavailable as away:
        raise NotNow(max(LEAST_WAIT, float(away.headers["Retry-After"]))) from None
    failed = sum(one.error is not None for one in made)
    summary = {"images": len(made) - failed, "failed": failed}
    if work.parameters["operation"] == "hash":
        return Outcome(summary, ResultFile("images.json", "application/json", _report(made, [None] * len(made))))
    return Outcome(summary, ResultFile("images.zip", "application/zip", _pack(made, work.parameters["format"])))


def _open(content: bytes) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    try:
        archive = zipfile.ZipFile(BytesIO(content))
    except UNREADABLE:
        raise JobFailed("invalid_file", "The file is no ZIP archive.") from None
    members = [member for member in archive.infolist() if not member.is_dir()]
    if not 1 <= len(members) <= MOST_PICTURES:
        sentence = plural(
            "The archive has {n} file; 1 to {most} are taken.",
            "The archive has {n} files; 1 to {most} are taken.",
            len(members),
            most=MOST_PICTURES,
        )
        raise JobFailed("invalid_file", sentence)
    return archive, members


async def _process(gpu: GpuClient, work: Work, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Made:
    """Raises: GpuUnavailable. All else is this picture's own fault."""
    try:
        picture = _read(archive, member)
        inspect(picture, "")
        if work.parameters["operation"] == "hash":
            return Made(member.filename, hash=await service.perceptual_hash(gpu, picture))
        wanted = ThumbnailQuery.model_validate({name: work.parameters[name] for name in ThumbnailQuery.model_fields})
        return Made(member.filename, content=await service.thumbnail(gpu, picture, wanted))
    except ValidationFailed as fault:
        return Made(
            member.filename, error={"code": fault.code, "message": say(fault.message, instead=type(fault).message)}
        )
    except UNREADABLE:
        return Made(member.filename, error={"code": "unreadable", "message": say(_("This file cannot be unpacked."))})


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Never more than a picture may have, whatever the archive says of its size."""
    with archive.open(member) as file:
        picture = file.read(MOST_BYTES + 1)
    if len(picture) > MOST_BYTES:
        raise ValidationFailed("The image must not exceed 10 MB.")
    return picture


def _all_or_none(outcomes: Sequence[Made | BaseException]) -> Iterator[Made]:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        yield outcome


def _pack(made: Sequence[Made], extension: str) -> bytes:
    """The thumbnails under numbers: names out of somebody's archive may lead anywhere."""
    packed, names = BytesIO(), list[str | None]()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, one in enumerate(made, start=1):
            names.append(None if one.content is None else f"{number:04}.{extension}")
            if one.content is not None:
                archive.writestr(f"{number:04}.{extension}", one.content)
            if packed.tell() > MAX_RESULT:
                raise JobFailed("result_too_large", TOO_LARGE)
        archive.writestr("report.json", _report(made, names))
    return packed.getvalue()


def _report(made: Sequence[Made], files: Sequence[str | None]) -> bytes:
    images: list[dict[str, Any]] = [
        {"name": one.name, "file": file, "hash": one.hash, "error": one.error}
        for one, file in zip(made, files, strict=True)
    ]
    return json.dumps({"images": images}, indent=1).encode()
