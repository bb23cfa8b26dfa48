"""Limits of single routes, written where the route is.

    @router.post("/tasks/bulk")
    @shared_limit("10/minute", scope="bulk")
    async def change_many(…): …

slowapi's own decorators wrap the function, ask it for a `request` and wait for their storage on the event loop, and the
limits of `Limiter(default_limits=…)` are silent on included routers. So its notation and its classes are used, and its
decorator's name; but this one only declares, and `middleware` does the rest for every route alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from slowapi.util import get_remote_address
from slowapi.wrappers import LimitGroup

from limits import parse_many

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = "default"
SIGN_IN = "sign_in"
SIGN_IN_ADDRESS = "sign_in_address"
# What is counted elsewhere than at a route: every request, and every attempt to guess a password.
ELSEWHERE = {DEFAULT: "100/minute", SIGN_IN: "10/hour", SIGN_IN_ADDRESS: "10/hour"}

_declared: dict[Callable[..., Any], list[LimitGroup]] = {}


@dataclass(frozen=True, slots=True)
class Limit:
    """So many hits, in a window of so many seconds that opens with the first."""

    scope: str
    amount: int
    seconds: int


class UnknownLimit(ValueError):
    """`RATE_LIMITS` names one that there is not."""


def shared_limit(limit_value: str, scope: str, *, override_defaults: bool = False) -> Callable[[F], F]:
    """Limit a route, together with all others of the same scope.

    Args:
        limit_value: such as `10/minute` or `10/minute; 100/day` (https://limits.readthedocs.io, "string notation").
        scope: the name that `RATE_LIMITS` and docs/limits.md know it by.
        override_defaults: count the route's requests here alone, and not with all others of the client.
    """
    group = LimitGroup(limit_value, get_remote_address, scope, False, None, None, None, 1, override_defaults)

    def declare(function: F) -> F:
        _declared.setdefault(function, []).append(group)
        return function

    return declare


class Policy:
    """Every limit, as it is declared and as `RATE_LIMITS` changes it."""

    def __init__(self, changes: Mapping[str, str]) -> None:
        """
        Raises:
            UnknownLimit
        """
        known = {*ELSEWHERE, *(limit.scope for groups in _declared.values() for group in groups for limit in group)}
        if unknown := sorted(changes.keys() - known):
            raise UnknownLimit(f"there is no limit {unknown[0]!r}; there are {', '.join(sorted(known))}")
        self._changes = changes

    def named(self, scope: str) -> tuple[Limit, ...]:
        """One of those that belong to no route."""
        return self._limits(scope, ELSEWHERE[scope])

    def of_route(self, function: Callable[..., Any]) -> tuple[Limit, ...]:
        """All that count a request to the route of this function, the client's own among them."""
        groups = _declared.get(function, [])
        declared = [limit for group in groups for limit in group]
        own = dict.fromkeys(found for limit in declared for found in self._limits(limit.scope, str(limit.limit)))
        overrides = any(limit.override_defaults for limit in declared)
        return (*own, *(() if overrides else self.named(DEFAULT)))

    def _limits(self, scope: str, declared: str) -> tuple[Limit, ...]:
        items = parse_many(self._changes.get(scope, declared))
        return tuple(Limit(scope, item.amount, item.get_expiry()) for item in items)


def declared_scopes() -> Mapping[str, str]:
    """The name and the notation of each limit at a route."""
    limits = (limit for groups in _declared.values() for group in groups for limit in group)
    return {limit.scope: str(limit.limit) for limit in limits}
