"""Whose address it is: proxies are believed as far as they are trusted, and nobody else."""

from ipaddress import ip_network
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from api_main.core.client_address import ClientAddress, ProxyHeader, parse_address

PROXY, OUTER_PROXY, CLIENT, LIAR = "10.0.0.1", "10.0.0.2", "203.0.113.9", "198.51.100.1"
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]


async def seen(peer: str | None, *lines: str, header: ProxyHeader = "x-forwarded-for", name: str | None = None) -> Any:
    """The client that the application sees."""
    scope: Scope = {
        "type": "http",
        "client": None if peer is None else (peer, 40000),
        "headers": [((name or header).encode(), line.encode("latin-1")) for line in lines],
    }

    async def application(_scope: Scope, _receive: Receive, _send: Send) -> None: ...

    async def nothing(*_: Any) -> Any: ...

    await ClientAddress(application, TRUSTED, header)(scope, nothing, nothing)
    return scope["client"] and scope["client"][0]


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [], PROXY),
        (PROXY, [""], PROXY),
        (CLIENT, [LIAR], CLIENT),
        (PROXY, [f"{LIAR}, {CLIENT}"], CLIENT),
        (PROXY, [LIAR, CLIENT], CLIENT),
        (PROXY, [f"{LIAR}, {CLIENT}, {OUTER_PROXY}"], CLIENT),
        (PROXY, [f"{CLIENT}:1234"], CLIENT),
        (PROXY, ["2001:db8::1"], "2001:db8::1"),
        (PROXY, ["[2001:db8::1]:1234"], "2001:db8::1"),
        (PROXY, [f"{LIAR}, nonsense, {OUTER_PROXY}"], OUTER_PROXY),
        (PROXY, ["unknown"], PROXY),
        (PROXY, [f"{OUTER_PROXY}, {PROXY}"], OUTER_PROXY),
        (f"::ffff:{PROXY}", [f"::ffff:{CLIENT}"], CLIENT),
        ("2001:db8:ffff::7", [CLIENT], CLIENT),
        (None, [CLIENT], None),
    ],
)
async def test_x_forwarded_for(peer: str | None, lines: list[str], expected: str | None) -> None:
    assert await seen(peer, *lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"for={CLIENT}"], CLIENT),
        ([f"For={CLIENT};proto=https;by={PROXY}"], CLIENT),
        ([f'proto=https; for="{CLIENT}:8080"'], CLIENT),
        (['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        ([f"for={LIAR}, for={CLIENT}, for={OUTER_PROXY}"], CLIENT),
        ([f"for={LIAR}", f"for={CLIENT}"], CLIENT),
        ([f'for="{LIAR}, for={CLIENT}'], CLIENT),  # a quote that the client left open swallows nothing
        ([f"for=_hidden, for={OUTER_PROXY}"], OUTER_PROXY),
        (["for=unknown"], PROXY),
        ([f"by={CLIENT}"], PROXY),
        ([f"xfor={CLIENT}"], PROXY),
    ],
)
async def test_forwarded(lines: list[str], expected: str) -> None:
    assert await seen(PROXY, *lines, header="forwarded") == expected


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
async def test_the_header_that_the_proxy_does_not_set_is_not_believed(header: ProxyHeader) -> None:
    other = "forwarded" if header == "x-forwarded-for" else "x-forwarded-for"
    line = f"for={LIAR}" if other == "forwarded" else LIAR
    assert await seen(PROXY, line, header=header, name=other) == PROXY


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "[::1", "999.1.1.1", "a" * 10_000, "1.2.3.4:x"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None
