"""`ETag` and `If-Match` (RFC 9110, section 13.1.1): who changes what they have not seen is refused."""

import re
from typing import Annotated

from fastapi import Header

ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1024, description="The `ETag` of what you have seen; 412 if it has changed"),
]


def etag(version: int) -> str:
    return f'"{version}"'


def expected_versions(if_match: str | None) -> set[int] | None:
    """The versions that `If-Match` allows; None where any will do. Weak tags match nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    return {int(tag) for weak, tag in ENTITY_TAG.findall(if_match) if not weak and re.fullmatch(r"\d{1,9}", tag)}
