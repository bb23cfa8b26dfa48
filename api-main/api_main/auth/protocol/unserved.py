"""Paths below `/auth/v1` that no other route knows."""

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from api_main.auth.protocol.json_route import JsonRoute


def route_besides(served: Sequence[BaseRoute]) -> type[JsonRoute]:
    """A kind of route that leaves the paths of these to them, whatever the method: theirs are a 405, with `Allow`."""

    class UnservedRoute(JsonRoute):
        def matches(self, scope: Scope) -> tuple[Match, Any]:
            found, child = super().matches(scope)
            if found is not Match.NONE and any(route.matches(scope)[0] is not Match.NONE for route in served):
                return Match.NONE, {}
            return found, child

    return UnservedRoute
