"""Bodies in and out: never longer than allowed, packed with gzip or deflate where the other side wants it."""

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request

from api_gpu.errors import BodyTooLarge, CallerGone, InvalidRequest, UnknownCoding

# zlib's `wbits`. HTTP's "deflate" is the zlib format (RFC 9110, section 8.4.1.2).
CODINGS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
IN_A_THREAD = 64 * 1024  # bytes from which on (un)packing would keep the event loop too long
NOT_WORTH_PACKING = 1024
FASTEST = 1


async def read_body(request: Request) -> bytes:
    """The body of a request, unpacked.

    Raises:
        BodyTooLarge: it is longer than the settings allow, packed or not.
        UnknownCoding: it is packed in another way.
        InvalidRequest: it is damaged.
        CallerGone: there will be no more of it.
    """
    limit: int = request.app.state.settings.gpu_max_body_bytes
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity" and coding not in CODINGS:
        raise UnknownCoding(f"Bodies may be packed with gzip or deflate, not with '{coding}'.")
    body = await _receive(request, limit)
    if coding == "identity":
        return body
    return await _off_the_loop(len(body), lambda: _unpack(body, CODINGS[coding], limit))


async def pack(body: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """A body and its headers as the caller's `Accept-Encoding` wants them; what is small goes as it is."""
    headers = {"Vary": "Accept-Encoding"}
    coding = preferred_coding(accept_encoding)
    if coding is None or len(body) < NOT_WORTH_PACKING:
        return body, headers
    packed = await _off_the_loop(len(body), lambda: zlib.compress(body, FASTEST, wbits=CODINGS[coding]))
    return packed, {**headers, "Content-Encoding": coding}


def preferred_coding(accept_encoding: str) -> str | None:
    """The coding that a caller likes best (RFC 9110, section 12.5.3): gzip, deflate, or None for neither."""
    weights = dict(_weighed(item) for item in accept_encoding.lower().split(",") if item.strip())
    best = max(("gzip", "deflate"), key=lambda coding: weights.get(coding, 0.0))
    return best if weights.get(best, 0.0) > 0 else None


def _weighed(item: str) -> tuple[str, float]:
    coding, _, parameter = item.partition(";")
    name, _, weight = parameter.partition("=")
    try:
        return coding.strip(), float(weight) if name.strip() == "q" else 1.0
    except ValueError:
        return coding.strip(), 0.0


async def _receive(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise BodyTooLarge(f"A body may have {limit} bytes.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge(f"A body may have {limit} bytes.")
    except ClientDisconnect:
        raise CallerGone("The caller has gone.") from None
    return bytes(body)


def _unpack(body: bytes, wbits: int, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise InvalidRequest("The body is not what its Content-Encoding says.") from None
    if len(unpacked) > limit:
        raise BodyTooLarge(f"A body may have {limit} bytes when unpacked.")
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidRequest("The body is not what its Content-Encoding says.")
    return unpacked


async def _off_the_loop(size: int, work: Callable[[], bytes]) -> bytes:
    return await asyncio.to_thread(work) if size >= IN_A_THREAD else work()
