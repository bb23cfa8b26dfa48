"""A hot read answers as its caller, so there has to be one."""

import pytest
from fastapi import APIRouter

from api_main.auth.read_route import ReadRoute


def test_a_hot_read_without_a_reader_stops_the_start() -> None:
    router = APIRouter(route_class=ReadRoute)

    async def read_anything(limit: int) -> None:
        raise AssertionError(limit)

    with pytest.raises(TypeError, match="needs a reader"):
        router.get("/anything")(read_anything)
