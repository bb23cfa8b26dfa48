"""Whose address it is: that of the peer, or what proxies say that we were told to trust.

Trusted are only proxies, and only in the one header that they set themselves: the other one may come from the client
as it is. Whatever asks for the client afterwards, such as limits, logs and sessions, is given this address.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
ProxyHeader = Literal["x-forwarded-for", "forwarded"]

# RFC 7239, section 4. Elements are split at each comma, whatever is quoted: what a client wrote before a proxy's own
# element must not be able to swallow that.
FOR = re.compile(r'(?:^|;)\s*for\s*=\s*"?([^";]*)"?', re.IGNORECASE)
WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>[^:]*):\d+")


class ClientAddress:
    """Put the client's address into the scope of requests that come through trusted proxies."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network], header: ProxyHeader) -> None:
        self.app = app
        self._trusts = _trust_in(trusted)
        self._header = header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and scope["client"] and self._trusts(scope["client"][0]):
            address = self._resolve(scope)
            if address is not None:
                scope["client"] = (address, 0)
        await self.app(scope, receive, send)

    def _resolve(self, scope: Scope) -> str | None:
        """The nearest address that is no trusted proxy's. None: the peer's is all that is known."""
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == self._header]
        nearest = None
        for element in reversed([element for line in lines for element in line.split(",")]):
            address = parse_address(element if self._header != b"forwarded" else _for(element))
            if address is None:
                break  # hidden or broken: what stands before it, nobody trustworthy has seen
            nearest = address
            if not self._trusts(address):
                break
        return nearest


def parse_address(text: str) -> str | None:
    """An IP address out of one element: with or without a port, in its one usual form. None for anything else."""
    text = text.strip()
    if found := WITH_PORT.fullmatch(text):
        text = found["v6"] or found["v4"] or ""
    address = _address(text)
    return None if address is None else str(address)


def _for(element: str) -> str:
    found = FOR.search(element.strip())
    return found[1] if found else ""


def _trust_in(networks: Sequence[Network]) -> Callable[[str], bool]:
    @lru_cache(maxsize=4096)
    def trusts(host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in networks)

    return trusts


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address; an IPv4 one that came through a socket for both is one of IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
