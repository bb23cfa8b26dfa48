"""Headers as ASGI has them: pairs of bytes, names in lower case."""

from collections.abc import Iterable

RawHeaders = list[tuple[bytes, bytes]]


def first(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """The first value of a header, by the shortest way: each request asks several times."""
    for name, value in headers:
        if name == wanted:
            return value
    return None
