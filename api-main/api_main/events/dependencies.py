"""What a route asks for that opens an event stream."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Request, params
from starlette.datastructures import State

from api_main.auth.bearer import bearer_token
from api_main.auth.dependencies import VerifiedPrincipal
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
    """Somebody who may keep a connection open."""

    state: State
    principal: Principal
    token: str

    async def stream(self, topic: Topic, last_event_id: int | None) -> LiveResponse:
        """The events of a topic, after one that the caller has seen.

        Raises:
            TooManyStreams
            psycopg.Error: the database is away.
        """
        settings, follower = self.state.settings, await self.follow()
        feed = Feed(self.state.database.reader(self.principal.identity), self.state.topics)
        following = Following(feed, follower, (topic.name,))
        try:
            await following.begin(last_event_id)
        except BaseException:
            follower.leave()
            raise
        stream = EventStream(following, follower, self.lifetime(follower), topic, settings.live_heartbeat_seconds)
        return LiveResponse(stream.run(), follower, settings.live_connection_seconds)

    async def follow(self) -> Follower:
        """One more connection of theirs.

        Raises:
            TooManyStreams
        """
        hub: Hub = self.state.hub
        return await hub.follow(self.principal.subject)

    def lifetime(self, follower: Follower) -> Lifetime:
        """Until when a connection may stay open that begins now."""
        settings = self.state.settings
        return Lifetime(
            follower,
            self.principal,
            lambda: look_again(self.state, self.token),
            seconds=settings.live_connection_seconds,
            period=settings.revocation_seconds,
        )


async def get_live_caller(request: Request, principal: VerifiedPrincipal) -> Caller:
    state, token = request.app.state, bearer_token(request.scope)
    assert token is not None  # or there would be no principal
    await state.revocations.check(principal)
    return Caller(state, principal, token)


def live_for(*scopes: Scope) -> params.Security:
    """A caller who may keep a connection open, by a personal token with these scopes as well."""
    return params.Security(get_live_caller, scopes=scopes)
