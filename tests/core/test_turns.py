"""Turns in the order in which they were asked for, and none that is lost."""

import asyncio

import pytest

from api_main.core.turns import Turns
from tests.patience import PATIENCE


@pytest.fixture
def turns() -> Turns:
    """One turn, which is taken."""
    turns = Turns(1)
    assert turns.take()
    return turns


def wait(turns: Turns, seconds: float = PATIENCE) -> asyncio.Task[None]:
    return asyncio.create_task(turns.wait(seconds))


async def test_there_are_no_more_than_there_are(turns: Turns) -> None:
    assert not turns.take()
    turns.pass_on()
    assert turns.take()
    assert not turns.take()


async def test_they_come_in_order_and_nobody_is_overtaken(turns: Turns) -> None:
    first, second = wait(turns), wait(turns)
    await asyncio.sleep(0)
    assert len(turns) == 2
    turns.pass_on()
    assert not turns.take()
    await first
    assert not second.done()
    turns.pass_on()
    await second
    assert len(turns) == 0


async def test_whoever_waits_in_vain_leaves_the_queue(turns: Turns) -> None:
    with pytest.raises(TimeoutError):
        await turns.wait(0.01)
    assert len(turns) == 0
    turns.pass_on()
    assert turns.take()


async def test_whoever_goes_is_passed_over(turns: Turns) -> None:
    first, second = wait(turns), wait(turns)
    await asyncio.sleep(0)
    first.cancel()
    turns.pass_on()  # before the first has noticed
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(turns) == 0


async def test_whoever_is_broken_off_while_they_wait_gives_nobody_a_turn(turns: Turns) -> None:
    first = wait(turns)
    await asyncio.sleep(0)
    second = turns.wait(PATIENCE)
    second.send(None)  # as far as the queue
    second.close()
    await asyncio.sleep(0)
    assert (len(turns), first.done()) == (1, False)
    turns.pass_on()
    await first


async def test_a_turn_that_comes_as_somebody_goes_is_the_next_ones(turns: Turns) -> None:
    first, second = wait(turns), wait(turns)
    await asyncio.sleep(0)
    turns.pass_on()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    turns.pass_on()
    assert turns.take()
