"""What operators say about limits, and about the proxies in front: a part of `core/settings.py`."""

import json
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from api_main.core.client_address import ProxyHeader
from limits import parse_many


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _networks(value: Any) -> Any:
    items = value.split(",") if isinstance(value, str) else value
    return [ip_network(item.strip() if isinstance(item, str) else item) for item in items]


def _limit(notation: str) -> str:
    parse_many(notation)
    return notation


def _claim_of_ours(path: str) -> str:
    if path.split(".", maxsplit=1)[0] == "user_metadata":
        raise ValueError("user_metadata is for users to write: nobody may choose a tier for themselves")
    return path


Limits = Annotated[dict[str, Annotated[str, AfterValidator(_limit)]], NoDecode, BeforeValidator(_json)]
Factors = Annotated[dict[str, Annotated[float, Field(gt=0)]], NoDecode, BeforeValidator(_json)]
Networks = Annotated[list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_networks)]


class LimitSettings(BaseSettings):
    """A part of `Settings`."""

    rate_limit_enabled: bool = True
    rate_limits: Limits = {}
    rate_limit_tier_claim: Annotated[str, AfterValidator(_claim_of_ours)] = "app_metadata.tier"
    rate_limit_tiers: Factors = {}
    trusted_proxies: Networks = []
    proxy_header: ProxyHeader = "x-forwarded-for"
