"""The cache: one load for all who ask, nothing after its time, nothing to the wrong person, nothing stale."""

import asyncio
import json
import time
from typing import Any

import pytest

from api_main.core.cache import REMEMBERED, Cache
from api_main.core.prelude import Identity
from tests.cache.source import Source
from tests.patience import eventually

ADA = Identity("authenticated", '{"sub": "ada"}')
BOB = Identity("authenticated", '{"sub": "bob"}')


@pytest.fixture(params=["one process", "two replicas"])
def caches(request: pytest.FixtureRequest) -> tuple[Cache, Cache]:
    """Two doors to what is kept: the same one twice, or two replicas."""
    if request.param == "two replicas":
        pair: tuple[Cache, Cache] = request.getfixturevalue("replicas")
        return pair
    cache = Cache()
    return cache, cache


async def test_what_was_read_is_kept_and_shared(caches: tuple[Cache, Cache]) -> None:
    source = Source()
    for cache in (*caches, *caches):
        assert await cache.get_or_load("thing", 60, source.read, whose=None, tags=["a", "b"]) == b"value"
    assert source.reads == 1


async def test_bytes_of_every_kind_come_back_as_they_were(caches: tuple[Cache, Cache]) -> None:
    for number, value in enumerate([b"", b"7", b"\x00\xff \n", b"bytes:x", b"x" * 100_000]):

        async def read(value: bytes = value) -> bytes:
            return value

        for cache in caches:
            assert await cache.get_or_load(f"thing {number}", 60, read, whose=None) == value


async def test_nothing_outlives_its_time(caches: tuple[Cache, Cache]) -> None:
    source = Source()
    await caches[0].get_or_load("thing", 0.2, source.read, whose=None)

    async def is_read_again() -> bool:
        return await caches[1].get_or_load("thing", 60, source.read, whose=None) == b"value" and source.reads == 2

    await eventually(is_read_again)


async def test_what_one_replica_has_kept_for_long_another_takes_for_as_long_as_it_asked(
    replicas: tuple[Cache, Cache],
) -> None:
    first, second = replicas
    source = Source()
    await first.get_or_load("thing", 60, source.read, whose=None)
    source.value = "newer"
    await second.get_or_load("thing", 0.05, source.read, whose=None)
    [(until, _value)] = second._near.store.values()
    assert until is not None
    assert until <= time.time() + 0.05


@pytest.mark.parametrize("asked", [1, 2])
async def test_however_many_ask_one_loads(caches: tuple[Cache, Cache], asked: int) -> None:
    source = Source()
    source.may_end.clear()
    asking = [
        asyncio.create_task(cache.get_or_load("thing", 60, source.read, whose=None, tags=["a"]))
        for _ in range(50)
        for cache in caches[:asked]
    ]
    await eventually(lambda: source.reads == 1)
    source.may_end.set()
    assert set(await asyncio.gather(*asking)) == {b"value"}
    assert source.reads == 1


async def test_a_load_goes_on_when_the_first_who_asked_hangs_up(caches: tuple[Cache, Cache]) -> None:
    source = Source()
    source.may_end.clear()
    first = asyncio.create_task(caches[0].get_or_load("thing", 60, source.read, whose=None))
    await eventually(lambda: source.reads == 1)
    second = asyncio.create_task(caches[0].get_or_load("thing", 60, source.read, whose=None))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    source.may_end.set()
    assert await second == b"value"
    assert source.reads == 1


async def test_a_failure_is_for_all_who_wait_and_is_not_kept(
    caches: tuple[Cache, Cache], complaints: list[dict[str, Any]]
) -> None:
    source = Source()

    async def fail() -> bytes:
        await source.read()
        raise LookupError

    asked = [caches[0].get_or_load("thing", 60, fail, whose=None) for _ in range(3)]
    assert [type(outcome) for outcome in await asyncio.gather(*asked, return_exceptions=True)] == [LookupError] * 3
    assert await caches[1].get_or_load("thing", 60, source.read, whose=None) == b"value"
    assert source.reads == 2
    assert complaints == []


async def test_an_invalidated_tag_is_read_again_on_every_replica(caches: tuple[Cache, Cache]) -> None:
    source = Source("old")

    async def seen(cache: Cache) -> bytes:
        return await cache.get_or_load("thing", 60, source.read, whose=None, tags=["a", "b"])

    assert [await seen(cache) for cache in caches] == [b"old"] * 2
    for tag in ("a", "b"):
        source.value = tag
        await caches[0].invalidate(tag, "something else")
        assert await seen(caches[0]) == tag.encode()  # whoever writes sees it at once

        async def has_arrived(tag: str = tag) -> bool:
            return await seen(caches[1]) == tag.encode()

        await eventually(has_arrived)


async def test_what_was_read_before_the_write_is_not_kept_after_it(caches: tuple[Cache, Cache]) -> None:
    source = Source("old")
    source.may_end.clear()
    slow = asyncio.create_task(caches[1].get_or_load("thing", 60, source.read, whose=None, tags=["a"]))
    await eventually(lambda: source.reads == 1)
    source.value = "new"
    await caches[0].invalidate("a")
    source.may_end.set()
    assert await caches[0].get_or_load("thing", 60, source.read, whose=None, tags=["a"]) == b"new"
    await slow

    async def is_new() -> bool:
        return await caches[1].get_or_load("thing", 60, source.read, whose=None, tags=["a"]) == b"new"

    await eventually(is_new)


async def test_nobody_joins_a_load_that_began_before_the_write(caches: tuple[Cache, Cache]) -> None:
    source = Source("old")
    source.may_end.clear()
    slow = asyncio.create_task(caches[0].get_or_load("thing", 60, source.read, whose=None, tags=["a"]))
    await eventually(lambda: source.reads == 1)
    source.value = "new"
    await caches[0].invalidate("a")
    fresh = asyncio.create_task(caches[0].get_or_load("thing", 60, source.read, whose=None, tags=["a"]))
    await eventually(lambda: source.reads == 2)
    source.may_end.set()
    assert (await slow, await fresh) == (b"old", b"new")


OTHERS = [
    BOB,
    None,
    Identity("anon", ADA.claims),
    Identity("authenticated", '{"sub": "ada", "aal": "aal2"}'),
    Identity("authenticated", '{"sub": "ada", "app_metadata": {"org": 2}}'),
]


@pytest.mark.parametrize("other", OTHERS, ids=["bob", "everybody", "role", "assurance", "organization"])
async def test_nobody_is_shown_what_was_kept_for_another(caches: tuple[Cache, Cache], other: Identity | None) -> None:
    hers, theirs = Source("hers"), Source("theirs")
    await caches[0].get_or_load("thing", 60, hers.read, whose=ADA)
    for cache in caches:
        assert await cache.get_or_load("thing", 60, theirs.read, whose=other) == b"theirs"
        assert await cache.get_or_load("thing", 60, theirs.read, whose=ADA) == b"hers"


async def test_the_key_of_somebody_cannot_be_written_by_everybody(caches: tuple[Cache, Cache]) -> None:
    secret, public = Source("secret"), Source("public")
    await caches[0].get_or_load("thing", 60, secret.read, whose=ADA)
    for name in list(caches[0]._near.store):
        assert await caches[0].get_or_load(name, 60, public.read, whose=None) == b"public"


async def test_the_next_token_of_a_session_sees_what_was_kept_for_the_last_one(caches: tuple[Cache, Cache]) -> None:
    source = Source()
    for issued in (1, 2):
        claims = json.dumps({"iat": issued, "exp": issued + 1, "jti": str(issued), "sub": "ada"})
        await caches[0].get_or_load("thing", 60, source.read, whose=Identity("authenticated", claims))
    assert source.reads == 1


async def test_the_memory_that_it_takes_is_bounded() -> None:
    cache, source = Cache(), Source()
    for number in range(REMEMBERED + 100):
        await cache.get_or_load(f"{number}", 60, source.read, whose=None)
    assert len(cache._near.store) == REMEMBERED
