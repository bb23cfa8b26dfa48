"""Who is counted: the user who is signed in, else the address; as much as their tier allows."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from api_main.auth.client import network_of
from api_main.core.settings import Settings
from api_main.main import create_app
from tests.limits.stage import caller, limited, running
from tests.people import Person, claims, sign

TASKS = "/api/v1/tasks"


async def remaining(client: httpx.AsyncClient, **headers: str) -> int:
    return int((await client.get(TASKS, headers=headers)).headers["RateLimit-Remaining"])


async def test_a_user_is_counted_wherever_they_are(strict_app: FastAPI, ada: Person) -> None:
    for address, left in (("192.0.2.1", 2), ("192.0.2.2", 1), ("192.0.2.3", 0)):
        async with caller(strict_app, address) as client:
            assert await remaining(client, **ada.headers) == left
    async with caller(strict_app) as client:
        assert (await client.get(TASKS, headers=ada.headers)).status_code == 429


async def test_users_of_one_address_do_not_use_up_each_others_requests(
    strict_app: FastAPI, ada: Person, bob: Person
) -> None:
    async with caller(strict_app) as client:
        for _ in range(5):
            await client.get(TASKS, headers=ada.headers)
            await client.get(TASKS)
        assert (await client.get(TASKS, headers=ada.headers)).status_code == 429
        assert (await client.get(TASKS)).status_code == 429
        assert await remaining(client, **bob.headers) == 2


@pytest.mark.parametrize(
    "authorization",
    ["Bearer nonsense", "Bearer pat_made_up", "Basic YTpi", "Bearer", ""],
    ids=["nonsense", "personal", "basic", "empty", "nothing"],
)
async def test_whoever_cannot_be_believed_is_counted_by_address(strict_app: FastAPI, authorization: str) -> None:
    async with caller(strict_app) as client:
        for left in (2, 1, 0):
            assert await remaining(client, Authorization=f"{authorization}{left if authorization else ''}") == left
        assert (await client.get(TASKS)).status_code == 429


async def test_a_personal_token_counts_for_its_owner_once_it_has_been_used(strict_app: FastAPI, ada: Person) -> None:
    async with caller(strict_app) as client:
        form = {"name": "script", "scopes": ["tasks:read"]}
        made = await client.post("/api/v1/tokens", json=form, headers=ada.headers)
        token = {"Authorization": f"Bearer {made.json()['data']['token']}"}
        assert await remaining(client, **token) == 2  # of the address
        assert await remaining(client, **token) == 1  # of Ada, who had made the token
        assert await remaining(client, **ada.headers) == 0


TIERS = {"pro": 10, "slow": 0.5, "nothing": 0.01}


@pytest.mark.parametrize(
    ("metadata", "amount"),
    [({"tier": "pro"}, 40), ({"tier": "slow"}, 2), ({"tier": "nothing"}, 1), ({"tier": "?"}, 4), ({"tier": [1]}, 4)],
    ids=["pro", "slow", "least", "unknown", "odd"],
)
async def test_a_tier_multiplies_what_is_allowed(
    settings: Settings, ada: Person, metadata: dict[str, Any], amount: int
) -> None:
    token = sign(settings, claims(settings, ada.id, ada.session, app_metadata=metadata))
    chosen = limited(settings, limits={"default": "4/hour"}, rate_limit_tiers=TIERS)
    async with running(chosen) as app, caller(app) as client:
        answer = await client.get(TASKS, headers={"Authorization": f"Bearer {token}"})
        assert answer.headers["RateLimit-Limit"] == str(amount)
        assert answer.headers["RateLimit-Remaining"] == str(amount - 1)


def test_nobody_can_choose_a_tier_for_themselves(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="for users to write"):
        Settings(**{**settings.model_dump(exclude_unset=True), "rate_limit_tier_claim": "user_metadata.tier"})


async def test_the_own_limit_of_a_route_comes_on_top(settings: Settings, ada: Person) -> None:
    chosen = limited(settings, limits={"default": "4/hour", "search": "2/hour"})
    async with running(chosen) as app, caller(app) as client:
        search = f"{TASKS}/search?q=x"
        left = [(await client.get(search, headers=ada.headers)).headers["RateLimit-Remaining"] for _ in range(2)]
        assert left == ["1", "0"]
        refused = await client.get(search, headers=ada.headers)
        assert (refused.status_code, refused.headers["RateLimit-Limit"]) == (429, "2")
        other = await client.get(TASKS, headers=ada.headers)
        assert (other.status_code, other.headers["RateLimit-Remaining"]) == (200, "0")
        assert (await client.get(TASKS, headers=ada.headers)).status_code == 429


async def test_a_pattern_has_its_own_limit_too(settings: Settings, ada: Person) -> None:
    async with running(limited(settings, limits={"search": "2/hour"})) as app, caller(app) as client:
        answer = await client.get(f"{TASKS}/{ada.id}/similar", headers=ada.headers)
        assert answer.headers["RateLimit-Limit"] == "2"
        assert (await client.get(f"{TASKS}/{ada.id}", headers=ada.headers)).headers["RateLimit-Limit"] == "1000000"


async def test_several_windows_of_one_limit_all_count(settings: Settings) -> None:
    async with running(limited(settings, limits={"default": "2/minute; 3/hour"})) as app, caller(app) as client:
        answers = [await client.get(TASKS) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
        assert [answer.headers["RateLimit-Limit"] for answer in answers] == ["2", "2", "2", "3"]


async def test_health_has_a_count_of_its_own(strict_app: FastAPI) -> None:
    async with caller(strict_app) as client:
        for _ in range(5):
            await client.get(TASKS)
        assert (await client.get("/health/live")).status_code == 200


async def test_a_thousand_at_once_are_a_thousand(settings: Settings) -> None:
    async with running(limited(settings, limits={"default": "100/hour"})) as app, caller(app) as client:
        answers = await asyncio.gather(*(client.get(TASKS) for _ in range(150)))
    assert [answer.status_code for answer in answers].count(429) == 50


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a:b", "a:b"),
    ],
)
def test_a_network_is_what_one_customer_has(host: str, network: str) -> None:
    assert network_of(host) == network


async def test_the_limits_of_signing_in_say_so_in_their_headers(settings: Settings, ada: Person) -> None:
    chosen = limited(settings, limits={"sign_in": "1/hour"})
    async with running(chosen) as app, caller(app) as client:
        form = {"email": ada.email, "password": "wrong"}
        answers = [await client.post("/api/v1/auth/login", json=form) for _ in range(2)]
        answers += [await client.post("/auth/v1/token?grant_type=password", json=form)]
    assert [answer.status_code for answer in answers] == [401, 429, 429]
    assert [answer.headers["RateLimit-Limit"] for answer in answers] == ["1000000", "1", "1"]
    assert answers[1].json()["error"]["code"] == "too_many_attempts"


def test_a_limit_that_there_is_not_stops_the_start(settings: Settings) -> None:
    with pytest.raises(ValueError, match="there is no limit 'serach'; there are bulk, default"):
        create_app(limited(settings, limits={"serach": "1/hour"}))


ODD: list[Callable[[], dict[str, Any]]] = [
    lambda: {"rate_limits": {"default": "many"}},
    lambda: {"rate_limits": "nonsense"},
    lambda: {"rate_limit_tiers": {"pro": 0}},
    lambda: {"trusted_proxies": "proxy.example"},
]


@pytest.mark.parametrize("changes", ODD, ids=["notation", "json", "factor", "network"])
def test_odd_settings_stop_the_start(settings: Settings, changes: Callable[[], dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        Settings(**{**settings.model_dump(exclude_unset=True), **changes()})
