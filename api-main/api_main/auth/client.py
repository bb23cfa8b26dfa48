"""Who is counted by the rate limits: the user of a token that can be believed, else the address."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network
from typing import Any

from starlette.types import Scope

from api_main.auth.bearer import bearer_token
from api_main.auth.errors import InvalidToken, KeysUnavailable
from api_main.auth.personal_tokens.verifier import PREFIX, PersonalTokenVerifier
from api_main.auth.principal import Principal
from api_main.auth.verifier import TokenVerifier
from api_main.core.limits.limiter import Client
from api_main.core.settings import Settings


class Clients:
    """Tells clients apart, and how much more than usual each may ask."""

    def __init__(self, settings: Settings) -> None:
        self._claim: Sequence[str] = settings.rate_limit_tier_claim.split(".")
        self._tiers = settings.rate_limit_tiers

    async def identify(self, scope: Scope) -> Client:
        """The client of a request or a WebSocket."""
        token = bearer_token(scope)
        if token is None:
            return by_address(scope)
        if token.startswith(PREFIX):
            personal: PersonalTokenVerifier = scope["app"].state.personal_token_verifier
            owner = personal.owner_of(token)  # one that has been used: the others may be made up, and cost a query
            return by_address(scope) if owner is None else Client(f"user/{owner}")
        verifier: TokenVerifier = scope["app"].state.verifier
        try:
            return self.of(await verifier.verify(token))
        except (InvalidToken, KeysUnavailable):
            return by_address(scope)

    def of(self, principal: Principal) -> Client:
        """The client that somebody is who signed in."""
        return Client(f"user/{principal.subject}", self._factor(principal) if self._tiers else 1.0)

    def _factor(self, principal: Principal) -> float:
        found: Any = principal.claims
        for name in self._claim:
            found = found.get(name) if isinstance(found, Mapping) else None
        return self._tiers.get(found, 1.0) if isinstance(found, str) else 1.0


def by_address(scope: Scope) -> Client:
    """The network that somebody asks from."""
    return Client(f"address/{network_of(scope['client'][0] if scope['client'] else '')}")


def network_of(host: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: that much every customer of a provider has for themselves."""
    if ":" not in host:
        return host
    try:
        return str(IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host
