"""Whose tokens we accept. An issuer is data: Supabase is one, we are one, a third party may be another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from api_main.auth.keys import FixedKeys, KeySource, RemoteKeys, secret_key
from api_main.auth.signing import SigningKeys
from api_main.core.cache import Cache
from api_main.core.settings import Settings

AUDIENCE = "authenticated"
USER_ROLES = frozenset({"authenticated"})


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens.

    Attributes:
        name: its `iss`.
        audience: the `aud` that its tokens for us carry.
        roles: the Postgres roles that it may put anybody into.
        keys: where the keys of each algorithm come from; any other algorithm is refused.
    """

    name: str
    audience: str
    roles: frozenset[str]
    keys: Mapping[str, KeySource]


def own_issuer_name(settings: Settings) -> str:
    return f"{settings.public_url}/auth/v1"


def supabase_issuer_name(settings: Settings) -> str:
    return f"{settings.supabase_url}/auth/v1"


def configured_issuers(
    settings: Settings,
    own_keys: SigningKeys | None,
    client: httpx.AsyncClient | None,
    cache: Cache,
    on_removal: Callable[[], None],
) -> list[Issuer]:
    """Ours, Supabase's and the trusted ones, as far as they are set up. Those of others need a client."""

    def remote(url: str, *algorithms: str) -> dict[str, KeySource]:
        assert client is not None
        return dict.fromkeys(algorithms, RemoteKeys(url, client, cache, on_removal))

    issuers = [
        Issuer(
            trusted.issuer,
            trusted.audience,
            frozenset(trusted.roles),
            remote(str(trusted.jwks_url), *trusted.algorithms),
        )
        for trusted in settings.trusted_issuers
    ]
    if settings.supabase_url is not None:
        name = supabase_issuer_name(settings)
        keys = remote(f"{name}/.well-known/jwks.json", "ES256", "RS256")
        if settings.supabase_jwt_secret is not None:
            keys["HS256"] = FixedKeys([secret_key(settings.supabase_jwt_secret.get_secret_value())])
        issuers.append(Issuer(name, AUDIENCE, USER_ROLES, keys))
    if own_keys is not None:
        fixed: dict[str, KeySource] = dict.fromkeys(("ES256", "RS256"), FixedKeys(own_keys.verification))
        if settings.legacy_jwt_secret is not None:
            fixed["HS256"] = FixedKeys([secret_key(settings.legacy_jwt_secret.get_secret_value())])
        issuers.append(Issuer(own_issuer_name(settings), AUDIENCE, USER_ROLES, fixed))
    return issuers
