"""Batches begin when the device is free; what nobody waits for any more does not begin."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from api_gpu.engine.execution import Outcome, Result, Times
from api_gpu.engine.observer import Batch
from api_gpu.engine.scheduler import Scheduler
from api_gpu.errors import InvalidInput
from api_gpu.models.pipeline import Item, Limits
from tests.patience import PATIENCE, eventually

LIMITS = Limits(budget=1000, batch=100)


class Device:
    """Doubles numbers, as soon as it is let. A negative number is bad input; a million is a mistake in the program."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.shrunk: list[bool] = []
        self.free = threading.Event()

    def run(self, items: Sequence[Item], *, shrink: bool = False) -> Outcome:
        numbers = [item.content for item in items]
        self.batches.append(numbers)
        self.shrunk.append(shrink)
        assert self.free.wait(PATIENCE)
        if 1_000_000 in numbers:
            raise ZeroDivisionError("a million")
        results: list[Result] = [InvalidInput(f"{number}") if number < 0 else {"y": 2 * number} for number in numbers]
        return Outcome(results, Times(infer=0.5))


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.free.set()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def scheduler(device: Device, executor: ThreadPoolExecutor) -> Scheduler:
    return Scheduler(device.run, LIMITS, executor)


async def double(scheduler: Scheduler, *numbers: int) -> list[int]:
    request = await scheduler.submit([Item(number) for number in numbers])
    return [row["y"] for row in request.answer.result()]


async def test_an_idle_device_begins_at_once(scheduler: Scheduler, device: Device) -> None:
    device.free.set()
    assert await double(scheduler, 1) == [2]
    assert device.batches == [[1]]


async def test_what_comes_while_the_device_is_busy_shares_the_next_batch(scheduler: Scheduler, device: Device) -> None:
    async with asyncio.TaskGroup() as callers:
        first = callers.create_task(double(scheduler, 1))
        await eventually(lambda: device.batches == [[1]])
        others = [callers.create_task(double(scheduler, number, number + 1)) for number in (10, 20, 30)]
        await asyncio.sleep(0)
        device.free.set()
    assert first.result() == [2]
    assert [task.result() for task in others] == [[20, 22], [40, 42], [60, 62]]
    assert device.batches == [[1], [10, 20, 30, 11, 21, 31]]


async def test_memory_is_given_back_by_the_last_batch(scheduler: Scheduler, device: Device) -> None:
    async with asyncio.TaskGroup() as callers:
        for number in range(250):
            callers.create_task(double(scheduler, number))
        await eventually(lambda: len(device.batches) == 1)
        device.free.set()
    assert device.shrunk == [False, False, True]


async def test_callers_of_the_same_moment_share_a_batch(scheduler: Scheduler, device: Device) -> None:
    device.free.set()
    await asyncio.gather(*(double(scheduler, number) for number in range(50)))
    assert device.batches == [list(range(50))]


async def test_who_gives_up_while_waiting_is_not_worked_for(scheduler: Scheduler, device: Device) -> None:
    first = asyncio.create_task(double(scheduler, 1))
    await eventually(lambda: len(device.batches) == 1)
    gone, stays = asyncio.create_task(double(scheduler, 2, 3)), asyncio.create_task(double(scheduler, 4))
    await asyncio.sleep(0.01)
    gone.cancel()
    device.free.set()
    assert await stays == [8]
    assert await first == [2]
    assert device.batches == [[1], [4]]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_who_gives_up_in_the_middle_of_a_batch_harms_nobody(scheduler: Scheduler, device: Device) -> None:
    gone, stays = asyncio.create_task(double(scheduler, 1)), asyncio.create_task(double(scheduler, 2))
    await eventually(lambda: device.batches == [[1, 2]])
    gone.cancel()
    device.free.set()
    assert await stays == [4]
    await scheduler.drain()
    assert scheduler.is_idle


async def test_bad_input_fails_its_own_request_alone(scheduler: Scheduler, device: Device) -> None:
    device.free.set()
    good, bad = await asyncio.gather(double(scheduler, 1, 2), double(scheduler, 3, -4), return_exceptions=True)
    assert good == [2, 4]
    assert isinstance(bad, InvalidInput)
    assert device.batches == [[1, 3, 2, -4]]


async def test_the_rest_of_a_request_that_failed_is_not_worked_on(device: Device, executor: ThreadPoolExecutor) -> None:
    device.free.set()
    scheduler = Scheduler(device.run, Limits(budget=2, batch=2), executor)
    with pytest.raises(InvalidInput):
        await double(scheduler, 1, -1, 2, 3, 4, 5, 6)
    await scheduler.drain()
    assert device.batches == [[1, -1]]


async def test_a_mistake_in_the_program_reaches_the_callers_and_the_next_batch_runs(
    scheduler: Scheduler, device: Device
) -> None:
    device.free.set()
    with pytest.raises(ZeroDivisionError):
        await double(scheduler, 1_000_000)
    assert await double(scheduler, 14) == [28]


async def test_several_batches_run_at_a_time_where_the_limits_say_so(
    device: Device, executor: ThreadPoolExecutor
) -> None:
    scheduler = Scheduler(device.run, Limits(budget=1, batch=1, concurrency=3), executor)
    request = asyncio.create_task(double(scheduler, *range(5)))
    await eventually(lambda: len(device.batches) == 3)
    await asyncio.sleep(0.02)
    assert len(device.batches) == 3
    device.free.set()
    assert await request == [0, 2, 4, 6, 8]


async def test_batches_are_reported(device: Device, executor: ThreadPoolExecutor) -> None:
    device.free.set()
    reports: list[Batch] = []
    scheduler = Scheduler(device.run, LIMITS, executor, reports.append)
    started: list[int] = []
    request = await scheduler.submit([Item(1, size=3), Item(2, size=3)], started.append)
    (report,) = reports
    assert (report.inputs, report.size, report.infer) == (2, 6, 0.5)
    assert [waited >= 0 for waited in report.waited] == [True, True]
    assert (request.infer, sum(started)) == (0.5, 2)
