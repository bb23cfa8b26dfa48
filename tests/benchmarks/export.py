"""`./scripts/bench export [--tasks N]`: how fast all tasks of one person are streamed, and in how much memory."""

import argparse
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil  # type: ignore[import-untyped]

from tests.benchmarks.dataset import callers
from tests.benchmarks.laboratory import laboratory
from tests.benchmarks.report import Table, machine
from tests.benchmarks.servers import OURS, Server

TASKS = 1_000_000
FORMATS = ("ndjson", "csv")
SAMPLE_SECONDS = 0.02
MIB = 1024 * 1024
COLUMNS = ("", "tasks", "seconds", "tasks/s", "file, MiB", "memory before, MiB", "at most, MiB", "additional, MiB")


@dataclass
class Memory:
    """What a process holds: at the beginning, and at most since then."""

    process: psutil.Process
    before: int = 0
    most: int = 0

    def watch(self, done: threading.Event) -> None:
        while not done.wait(SAMPLE_SECONDS):
            self.most = max(self.most, self.process.memory_info().rss)


def benchmark(tasks: int = TASKS) -> Iterator[str]:
    """The parts of the report, each as soon as it is known."""
    with laboratory() as lab:
        yield machine(lab)
        lab.create_database("export", users=1, tasks=tasks)
        (caller,) = callers(1, lab.signing_keys)
        headers = {"Authorization": f"Bearer {caller.token}"}
        rows = []
        for form in FORMATS:
            with lab.api(OURS, "export") as server:
                server.wait_until_it_listens()
                rows.append(measure(server, headers, form, tasks))
        yield str(Table("All tasks of one person as a stream, each in a fresh process.", COLUMNS, rows))


def measure(server: Server, headers: dict[str, str], form: str, tasks: int) -> tuple[str, ...]:
    url = f"http://127.0.0.1:{server.port}/api/v1/tasks"
    memory, done, lines, size = Memory(psutil.Process(server.process.pid)), threading.Event(), 0, 0
    with httpx.Client(headers=headers, timeout=60.0) as http:
        http.get(url).raise_for_status()  # what is made once is made
        memory.before = memory.process.memory_info().rss
        watching = threading.Thread(target=memory.watch, args=(done,))
        watching.start()
        started = time.perf_counter()
        with http.stream("GET", f"{url}/export", params={"format": form}) as answer:
            answer.raise_for_status()
            for part in answer.iter_raw():
                lines, size = lines + part.count(b"\n"), size + len(part)
        seconds = time.perf_counter() - started
        done.set()
        watching.join()
    assert lines == tasks + (form == "csv"), f"{lines} lines"  # a header
    more = max(0, memory.most - memory.before)
    numbers = (tasks, seconds, tasks / seconds, size / MIB, memory.before / MIB, memory.most / MIB, more / MIB)
    return form, *(f"{number:,.1f}" if isinstance(number, float) else f"{number:,}" for number in numbers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench export", description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS, help="how many tasks there are")
    for part in benchmark(parser.parse_args().tasks):
        print(part, flush=True)


if __name__ == "__main__":
    main()
