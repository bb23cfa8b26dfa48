"""Behind a proxy: the address that it names is the client's, for limits, logs, sessions and security events alike."""

from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.logging import configure_logging
from api_main.core.settings import Settings
from tests.auth.calls import login, new_email, register
from tests.limits.stage import caller, limited, running

PROXY, CLIENT = "10.1.2.3", "203.0.113.9"


async def left(client: httpx.AsyncClient, header: str, value: str) -> str:
    return (await client.get("/api/v1/tasks", headers={header: value})).headers["RateLimit-Remaining"]


async def test_nobody_gets_more_by_naming_other_addresses(settings: Settings) -> None:
    async with running(limited(settings, limits={"default": "9/hour"})) as app, caller(app, PROXY) as client:
        assert [await left(client, "X-Forwarded-For", f"192.0.2.{n}") for n in range(3)] == ["8", "7", "6"]
        assert [await left(client, "Forwarded", f"for=192.0.2.{n}") for n in range(3)] == ["5", "4", "3"]


async def test_the_clients_of_a_trusted_proxy_are_counted_one_by_one(settings: Settings) -> None:
    trusting = limited(settings, limits={"default": "9/hour"}, trusted_proxies=["10.0.0.0/8"])
    trusting = Settings(_env_file=None, **trusting.model_dump(exclude_unset=True))
    async with running(trusting) as app, caller(app, PROXY) as client:
        assert [await left(client, "X-Forwarded-For", f"192.0.2.{n}") for n in range(3)] == ["8", "8", "8"]
        assert await left(client, "X-Forwarded-For", "6.6.6.6, 192.0.2.1") == "7"
        assert [await left(client, "Forwarded", f"for=192.0.2.{n}") for n in range(3)] == ["8", "7", "6"]  # the proxy


async def test_log_session_and_security_events_name_the_same_address(
    settings: Settings, admin: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"trusted_proxies": "10.0.0.0/8", "log_format": "json", "log_level": "INFO"}
    trusting = Settings(_env_file=None, **{**settings.model_dump(exclude_unset=True), **changes})
    async with running(trusting) as app, caller(app, PROXY) as client:
        capsys.readouterr()  # the start, which belongs to no request
        client.headers["X-Forwarded-For"] = CLIENT
        email = new_email()
        assert (await register(client, email)).status_code == 201
        await login(client, email)
    configure_logging(settings)
    logged = [line for line in capsys.readouterr().out.splitlines() if '"address"' in line]
    assert any("signed_in" in line for line in logged)
    assert [line for line in logged if f'"address": "{CLIENT}"' not in line] == []
    rows = admin.execute(
        "select host(ip) from auth.sessions s join auth.users u on u.id = s.user_id where u.email = %s", (email,)
    ).fetchall()
    assert {row[0] for row in rows} == {CLIENT}
