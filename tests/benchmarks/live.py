"""`./scripts/bench live [--quick]`: what open event streams cost, and how long a change takes to reach its owner."""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]
import psycopg

from tests.benchmarks import report
from tests.benchmarks.dataset import Caller, callers
from tests.benchmarks.laboratory import Laboratory, laboratory
from tests.benchmarks.report import Table
from tests.benchmarks.servers import OURS, Server

DATABASE = "live"
MEBIBYTE = 1024**2
TOGETHER = 50  # connections that are being opened at once
SECONDS = 60.0  # that an event may take before the measurement is given up


@dataclass(frozen=True)
class Plan:
    idle: int = 2000  # streams, of whose memory we want to know
    listening: int = 1000  # streams that are open while changes are made
    changes: int = 500


QUICK = Plan(idle=100, listening=50, changes=50)


class Stream:
    """One open event stream, and when it was last told of something."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller) -> None:
        self.caller = caller
        self._reader, self._writer = reader, writer

    async def event(self, kind: bytes) -> float:
        """When (monotonic clock, seconds) the next event of this kind came."""
        await self._reader.readuntil(b"event: " + kind)
        came = time.perf_counter()
        await self._reader.readuntil(b"\n\n")
        return came

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def streams(server: Server, people: Sequence[Caller]) -> AsyncIterator[list[Stream]]:
    """An open stream for each of them."""
    places = asyncio.Semaphore(TOGETHER)

    async def open_one(caller: Caller) -> Stream:
        async with places, asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            request = f"GET /api/v1/tasks/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.token}\r\n\r\n"
            writer.write(request.encode())
            stream = Stream(reader, writer, caller)
            await stream.event(b"ready")
            return stream

    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*map(open_one, people))
        for stream in opened:
            stack.callback(stream.close)
        yield opened


async def measure_memory(server: Server, people: Sequence[Caller]) -> tuple[float, float, float]:
    """Memory of the server (RSS, MiB): without streams, with them, and the seconds that they took to open."""
    process = psutil.Process(server.process.pid)
    async with streams(server, people[:1]):
        before = process.memory_info().rss / MEBIBYTE
    started = time.perf_counter()
    async with streams(server, people):
        took = time.perf_counter() - started
        return before, process.memory_info().rss / MEBIBYTE, took


async def measure_delays(server: Server, people: Sequence[Caller], admin_url: str, changes: int) -> list[float]:
    """Milliseconds from the commit of a change to its event, one change after another."""
    delays = []
    async with (
        streams(server, people) as opened,
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin,
    ):
        for stream in random.Random(1).choices(opened, k=changes):
            waiting = asyncio.create_task(stream.event(b"task.updated"))
            await admin.execute("update public.tasks set status = 'in_progress' where id = %s", (stream.caller.task,))
            committed = time.perf_counter()
            async with asyncio.timeout(SECONDS):
                delays.append((await waiting - committed) * 1000)
    return delays


def benchmark(plan: Plan) -> Iterator[str]:
    """The parts of the report, each as soon as it is known."""
    with laboratory() as lab:
        yield report.machine(lab)
        most = max(plan.idle, plan.listening)
        lab.create_database(DATABASE, users=most, tasks=most)
        people = callers(most, lab.signing_keys)
        yield str(_memory(lab, people[: plan.idle]))
        yield str(_delays(lab, people[: plan.listening], plan.changes))


def _memory(lab: Laboratory, people: Sequence[Caller]) -> Table:
    with lab.api(OURS, DATABASE) as server:
        server.wait_until_it_listens()
        before, after, took = asyncio.run(measure_memory(server, people))
    each = (after - before) * 1024 / len(people)
    row = (f"{len(people):,}", f"{before:.0f}", f"{after:.0f}", f"{each:.1f}", f"{took:.1f}")
    columns = ("idle streams", "MiB before", "MiB with them", "KiB each", "s to open")
    return Table("Memory of one process with idle event streams (RSS).", columns, [row])


def _delays(lab: Laboratory, people: Sequence[Caller], changes: int) -> Table:
    with lab.api(OURS, DATABASE) as server:
        server.wait_until_it_listens()
        delays = asyncio.run(measure_delays(server, people, lab.postgres.url(DATABASE), changes))
    percent = statistics.quantiles(delays, n=100)
    row = (f"{len(people):,}", *(f"{value:.1f}" for value in (percent[49], percent[94], percent[98], max(delays))))
    columns = ("open streams", "p50 ms", "p95 ms", "p99 ms", "most")
    return Table(f"From the commit of a change to its owner, {changes} changes one after another.", columns, [row])


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer streams and changes")
    for part in benchmark(QUICK if parser.parse_args().quick else Plan()):
        print(part, flush=True)


if __name__ == "__main__":
    main()
