"""What is cancelled when its time is over, and what is not."""

import asyncio

import pytest

from api_main.core.deadline import Deadline

SOON, LATE = 0.01, 60.0


async def test_what_takes_too_long_is_cancelled() -> None:
    with pytest.raises(TimeoutError), Deadline(SOON) as deadline:
        await asyncio.sleep(LATE)
    assert deadline.expired
    await asyncio.sleep(0)  # the task goes on as if nothing had been


async def test_what_ends_in_time_is_not() -> None:
    with Deadline(SOON) as deadline:
        pass
    await asyncio.sleep(2 * SOON)
    assert not deadline.expired


async def test_what_is_lifted_may_take_as_long_as_it_likes() -> None:
    with Deadline(SOON) as deadline:
        deadline.lift()
        await asyncio.sleep(2 * SOON)
    assert not deadline.expired


async def test_a_failure_in_time_is_the_failure_itself() -> None:
    with pytest.raises(LookupError), Deadline(LATE):
        raise LookupError


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def work() -> None:
        with Deadline(LATE):
            await asyncio.sleep(LATE)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_are_a_cancellation() -> None:
    async def work() -> None:
        with Deadline(SOON) as deadline:
            try:
                await asyncio.sleep(LATE)
            finally:
                assert deadline.expired
                asyncio.current_task().cancel()  # type: ignore[union-attr]

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())


async def test_of_two_the_one_whose_time_is_over_says_so() -> None:
    with pytest.raises(TimeoutError), Deadline(SOON) as outer, Deadline(LATE) as inner:
        await asyncio.sleep(LATE)
    assert (outer.expired, inner.expired) == (True, False)
