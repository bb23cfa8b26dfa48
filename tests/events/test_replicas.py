"""Streams and WebSockets of one account count together, at whichever replica they are open."""

from collections.abc import Iterator

import httpx
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.events.client import EVENTS, follow
from tests.events.socket_client import open_socket, socket_of
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.redis_server import LocalRedis
from tests.serving import serve


@pytest.fixture
def addresses(live_settings: Settings, redis_server: LocalRedis) -> Iterator[list[str]]:
    """Of two replicas with one Redis, which both have found."""
    both = [create_app(live_settings.model_copy(update={"redis_url": redis_server.url})) for _ in range(2)]
    with serve(both[0]) as one, serve(both[1]) as another:
        yield [one, another]


async def is_refused(http: httpx.AsyncClient, person: Person) -> bool:
    async with http.stream("GET", EVENTS, headers=person.headers) as answer:
        return answer.status_code == 429


async def test_an_account_has_so_many_connections_at_all_replicas_together(
    addresses: list[str], ada: Person, bob: Person
) -> None:
    """Three, as `live_settings` has it."""
    one, another = (httpx.AsyncClient(base_url=url, timeout=PATIENCE) for url in addresses)
    async with one, another, follow(one, ada), socket_of(addresses[1], ada):
        async with socket_of(addresses[0], ada):
            await eventually(lambda: is_refused(another, ada))
            assert await is_refused(one, ada)
            async with open_socket(addresses[1]) as one_more:
                await one_more.send("authenticate", token=ada.token)
                code, said = await one_more.end()
                assert (code, said[0]["code"]) == (4429, "too_many_streams")
            async with follow(another, bob):
                pass

        async def has_room() -> bool:
            return not await is_refused(another, ada)

        await eventually(has_room)
