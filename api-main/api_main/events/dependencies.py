"""What a route asks for that opens an event stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, params
from fastapi.security import HTTPAuthorizationCredentials
from starlette.datastructures import State

from api_main.auth.dependencies import CurrentPrincipal, bearer
from api_main.auth.principal import Principal
from api_main.auth.scopes import Scope
from api_main.auth.watching import look_again
from api_main.events.feed import LARGEST_ID, Feed, Following
from api_main.events.follower import Follower
from api_main.events.hub import Hub
from api_main.events.lifetime import Lifetime
from api_main.events.stream import EventStream, LiveResponse
from api_main.events.topics import Topic

LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=LARGEST_ID,
        description="The id of the last event that you have seen: what came after it is sent first",
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is allowed one more open connection."""

    state: State
    principal: Principal
    token: str
    follower: Follower

    async def stream(self, topic: Topic, last_event_id: int | None) -> LiveResponse:
        """The events of a topic, after one that the caller has seen.

        Raises:
            psycopg.Error: the database is away.
        """
        settings = self.state.settings
        feed = Feed(self.state.database.reader(self.principal.identity), self.state.topics)
        following = Following(feed, self.follower, (topic.name,))
        await following.begin(last_event_id)
        lifetime = Lifetime(
            self.follower,
            self.principal,
            lambda: look_again(self.state, self.token),
            seconds=settings.live_connection_seconds,
            period=settings.revocation_seconds,
        )
        stream = EventStream(following, self.follower, lifetime, topic, settings.live_heartbeat_seconds)
        return LiveResponse(stream.run(), settings.live_connection_seconds)


async def get_live_caller(
    request: Request,
    principal: CurrentPrincipal,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
) -> AsyncIterator[Caller]:
    state = request.app.state
    hub: Hub = state.hub
    with hub.follow(principal.subject) as follower:  # until the answer has been sent
        yield Caller(state, principal, credentials.credentials, follower)


def live_for(*scopes: Scope) -> params.Security:
    """A caller who may keep a connection open, by a personal token with these scopes as well.

    Raises:
        TooManyStreams
    """
    return params.Security(get_live_caller, scopes=scopes)
