"""What sleeping costs and saves: the time to a first embedding, and memory asleep and awake."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from local_stack import processes
from local_stack.postgres import free_port
from service_wire.service_token import ServiceTokenIssuer, generate_key, public_keys

COLUMNS = ("", "median", "least", "most")
KEY = generate_key()
ISSUER = ServiceTokenIssuer(KEY)
PATH = "/v1/embeddings"
PATIENCE = 120.0
IDLE_SECONDS = 1.0
MEBIBYTE = 2**20
SHORT = ["Call the dentist about the appointment on Friday"]
MANY = ["Review the quarterly report with the customer before the meeting on the insurance " * 4] * 32


@dataclass
class Sleeper:
    """One parent, called in its sleep and awake; each list has one entry for each round, in seconds or bytes."""

    url: str
    process: subprocess.Popen[bytes]
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    asleep: list[float] = field(default_factory=list)
    awake: list[float] = field(default_factory=list)
    device: list[float] = field(default_factory=list)

    def round(self) -> None:
        """Wake it, keep it busy for a moment, and let it fall asleep."""
        self.asleep.append(_resident(self._family()))
        self.cold.append(self._embed(SHORT))
        self.warm.append(self._embed(SHORT))
        self._embed(MANY)
        family = self._family()
        self.awake.append(_resident(family))
        if (used := _on_device(family)) is not None:
            self.device.append(used)
        deadline = time.monotonic() + PATIENCE
        while len(self._family()) > 1:
            assert time.monotonic() < deadline, "it does not fall asleep"
            time.sleep(0.05)

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.get(f"{self.url}/health")
            except httpx.TransportError:
                assert time.monotonic() < deadline, "it does not listen"
                time.sleep(0.05)
            else:
                return

    def forget(self) -> None:
        """Leave what has been measured out of account."""
        for values in (self.cold, self.warm, self.asleep, self.awake, self.device):
            values.clear()

    def rows(self) -> list[tuple[str, ...]]:
        times = {"asleep, to the first embedding, s": self.cold, "awake, to an embedding, s": self.warm}
        memory = {
            "memory asleep, MiB": self.asleep,
            "memory awake, after 32 texts at once, MiB": self.awake,
            "memory of the GPU awake, MiB": self.device,
        }
        return [_row(name, values, "{:.3f}", 1) for name, values in times.items()] + [
            _row(name, values, "{:,.0f}", MEBIBYTE) for name, values in memory.items() if values
        ]

    def _embed(self, texts: list[str]) -> float:
        token = {"Authorization": f"Bearer {ISSUER.issue(f'POST {PATH}')}"}
        began = time.perf_counter()
        answer = httpx.post(
            self.url + PATH, json={"model": "text-embedding", "input": texts}, headers=token, timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text
        return time.perf_counter() - began

    def _family(self) -> list[processes.Process]:
        return processes.family(self.process.pid)


@contextmanager
def sleeper(cache: Path) -> Iterator[Sleeper]:
    """A parent whose models lie in the cache, or will after the first call."""
    port = free_port()
    own = {
        "GPU_PORT": str(port),
        "IDLE_SECONDS": str(IDLE_SECONDS),
        "SERVICE_TOKEN_KEYS": json.dumps(public_keys(KEY)),
        "MODELS_DIR": str(cache / "none"),
        "CACHE_DIR": str(cache),
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "api_gpu"]
    process = subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.DEVNULL)
    try:
        yield Sleeper(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def measure(cache: Path, *, rounds: int) -> list[tuple[str, ...]]:
    """The rows of a table. The first call builds the model and is not counted."""
    with sleeper(cache) as one:
        one.wait_until_it_listens()
        one.round()
        one.forget()
        for _round in range(rounds):
            one.round()
        return one.rows()


def _resident(family: list[processes.Process]) -> int:
    return sum(int(member.memory_info().rss) for member in family)


def _on_device(family: list[processes.Process]) -> int | None:
    """What NVIDIA's driver counts for these processes; None where there is none."""
    query = ["nvidia-smi", "--query-compute-apps=pid,used_gpu_memory", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    used = {int(pid): int(mebibytes) for pid, _, mebibytes in (line.partition(",") for line in lines)}
    return sum(used.get(member.pid, 0) for member in family) * MEBIBYTE


def _row(name: str, values: list[float], form: str, unit: int) -> tuple[str, ...]:
    return (name, *(form.format(value / unit) for value in (statistics.median(values), min(values), max(values))))
