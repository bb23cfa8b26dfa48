"""What goes over the wire, and in how many pieces, when an answer is written as uvicorn writes it."""

import asyncio
from typing import Any, cast

import pytest

from api_main.core.corking import Corked

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"{}"


class Wire(asyncio.Transport):
    """Notes each time that something is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.is_over = False

    def write(self, data: Any) -> None:
        assert not self.is_over
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    def write_eof(self) -> None:
        self.is_over = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def corked(wire: Wire) -> Corked:
    return Corked(wire, asyncio.get_running_loop())


async def test_a_head_goes_with_what_follows_at_once(corked: Corked, wire: Wire) -> None:
    corked.write(HEAD)
    corked.write(BODY)
    corked.write(BODY)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + BODY, BODY]


async def test_a_head_waits_for_nothing_longer(corked: Corked, wire: Wire) -> None:
    corked.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    corked.write(BODY)
    assert wire.sent == [HEAD, BODY]


@pytest.mark.parametrize("end", ["close", "write_eof"])
async def test_a_head_without_a_body_is_sent_before_the_end(corked: Corked, wire: Wire, end: str) -> None:
    corked.write(HEAD)
    getattr(corked, end)()
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    assert corked.is_closing()


async def test_answers_follow_each_other_in_their_order(corked: Corked, wire: Wire) -> None:
    corked.write(HEAD)
    corked.write(HEAD)
    corked.write(BODY)
    corked.writelines([BODY, BODY])
    await asyncio.sleep(0)
    assert b"".join(wire.sent) == HEAD + HEAD + BODY + BODY + BODY


async def test_whatever_else_a_transport_can_do_it_does(corked: Corked, wire: Wire) -> None:
    assert cast("asyncio.Transport", corked).get_extra_info("nothing", 1) == wire.get_extra_info("nothing", 1)
