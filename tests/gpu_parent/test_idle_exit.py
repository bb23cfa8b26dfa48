"""At the idle exit nothing is lost: neither what comes on new connections, nor what comes on old ones."""

import asyncio
import random

import pytest

from tests.gpu_parent.conftest import NewParent
from tests.gpu_parent.running import SECONDS, head, wait_until

IDLE = 0.1
CLIENTS = 100


class Client:
    """Sends requests on one connection, or each on its own. What fails, fails: nothing is tried twice."""

    def __init__(self, port: int, *, keeps_alive: bool, target: str = "/work") -> None:
        self._port, self._keeps_alive, self._target = port, keeps_alive, target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self) -> int:
        """Return who answered."""
        if self._streams is None or not self._keeps_alive:
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(head(self._target, 5) + b"hello")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b"connection: close" not in answer.lower()
        pid, received = (await reader.readexactly(_length(answer))).split()
        assert received == b"5"
        return int(pid)

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()


def _length(answer: bytes) -> int:
    return int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


def test_a_thousand_requests_that_arrive_at_the_exit_are_all_answered(new_parent: NewParent) -> None:
    parent = new_parent(IDLE_SECONDS=str(IDLE))
    clients = [Client(parent.port, keeps_alive=number % 2 == 0) for number in range(CLIENTS)]
    assert asyncio.run(_race(clients, rounds=10)) == 1000
    assert parent.starts >= 5, "hardly any request came at an exit"


@pytest.mark.parametrize("every", [1, 2, CLIENTS + 1], ids=["kept-alive", "both", "new"])
def test_requests_between_the_steps_of_the_exit_are_all_answered(new_parent: NewParent, every: int) -> None:
    parent = new_parent(IDLE_SECONDS=str(IDLE))
    parent.trouble("slow to leave")
    clients = [
        Client(parent.port, keeps_alive=number % every == 0, target="/work?seconds=0.03")
        for number in range(1, CLIENTS + 1)
    ]
    assert asyncio.run(_race(clients, rounds=4)) == 400
    assert parent.starts >= 2


async def _race(clients: list[Client], rounds: int) -> int:
    """Time and again have everybody be quiet, and then ask all at once at about the time of the exit."""
    random.seed(1)
    answered = 0
    await asyncio.gather(*(client.call() for client in clients))
    for _round in range(rounds):
        moment = IDLE + random.uniform(0, 0.05)
        answered += len(await asyncio.gather(*(_call_in(moment + random.uniform(0, 0.02), c) for c in clients)))
    for client in clients:
        client.close()
    return answered


async def _call_in(seconds: float, client: Client) -> int:
    await asyncio.sleep(seconds)
    return await client.call()


def test_kept_alive_connections_outlive_many_servers(new_parent: NewParent) -> None:
    parent = new_parent(IDLE_SECONDS="0.02")

    async def talk() -> set[int]:
        client = Client(parent.port, keeps_alive=True)
        pids = set()
        for times in range(2, 7):
            pids.add(await client.call())
            await asyncio.to_thread(parent.says, "asleep", times)
        client.close()
        return pids

    assert len(asyncio.run(talk())) == 5
    wait_until(lambda: not parent.children, "nobody is there any more")


def test_who_waits_longer_than_the_server_may_be_idle_is_answered(new_parent: NewParent) -> None:
    parent = new_parent(IDLE_SECONDS="0.001")
    parent.trouble("slow")

    async def everybody() -> None:
        clients = [Client(parent.port, keeps_alive=False) for _number in range(CLIENTS)]
        await asyncio.gather(*(client.call() for client in clients))
        for client in clients:
            client.close()

    asyncio.run(everybody())
