"""A WebSocket whose client has shown a token: what it asks for, and what it is told."""

import asyncio
from datetime import UTC, datetime

import psycopg
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import State

from api_main.auth.errors import InsufficientScope, InvalidToken, SessionEnded, TokenExpired
from api_main.auth.principal import Principal
from api_main.auth.watching import look_again
from api_main.core.error_handlers import from_exception
from api_main.core.errors import ApiError
from api_main.core.stopping import end
from api_main.events import messages
from api_main.events.errors import TooManySubscriptions, UnknownChannel
from api_main.events.feed import EXPIRED, Batch, Feed, Following
from api_main.events.follower import Follower
from api_main.events.hub import Hub
from api_main.events.lifetime import End, Lifetime
from api_main.events.messages import PRESENCE, Authenticate, ClientMessage, Ping, Subscribe, Unsubscribe
from api_main.events.topics import Topic
from api_main.events.wire import Closed, Code, Wire

MOST_SUBSCRIPTIONS = 20
RETRY_SECONDS = 1.0


class Connection:
    """Two loops: one answers the client, the other tells it what is new. Either may end it."""

    def __init__(self, state: State, wire: Wire, follower: Follower, principal: Principal, token: str) -> None:
        self._state = state
        self._hub: Hub = state.hub
        self._topics: dict[str, Topic] = {topic.name: topic for topic in state.topics}
        self._wire = wire
        self._follower = follower
        self._principal = principal
        self._token = token
        self._feed = Feed(state.database.reader(principal.identity), state.topics)
        self._followings: dict[str, Following] = {}
        self._present: dict[str, list[str]] = {}  # who was told to be in which channel
        self._to_look_at: set[str] = set()
        self._lifetime = Lifetime(
            follower,
            principal,
            lambda: look_again(state, self._token),
            seconds=float("inf"),  # its token's time is its own
            period=state.settings.revocation_seconds,
        )

    async def run(self) -> None:
        """Until it ends.

        Raises:
            Closed, starlette.websockets.WebSocketDisconnect
        """
        await self._wire.send(self._authenticated(None))
        loops = [asyncio.create_task(self._answer_all()), asyncio.create_task(self._tell_all())]
        try:
            done, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            await asyncio.gather(*map(end, loops))
            for channel in list(self._present):
                await self._leave(channel)

    def look_at(self, channel: str) -> None:
        """Somebody has come to this channel, or gone."""
        self._to_look_at.add(channel)
        self._follower.wake()

    # What the client asks for ----------------------------------------------------------------------------------------

    async def _answer_all(self) -> None:
        while True:
            text, ref = await self._wire.receive(), None
            try:
                request = messages.parse(text)
                ref = request.ref
                await self._answer(request)
            except (ApiError, DBAPIError, psycopg.Error) as error:
                await self._wire.send(messages.write_error(from_exception(error), ref))
            self._follower.wake()  # what has been subscribed to may have news

    async def _answer(self, request: ClientMessage) -> None:
        match request:
            case Ping():
                await self._wire.send(messages.write("pong", request.ref))
            case Authenticate():
                await self._renew(request.token)
                await self._wire.send(self._authenticated(request.ref))
            case Unsubscribe():
                await self._unsubscribe(request.channel)
                await self._wire.send(messages.write("unsubscribed", request.ref, channel=request.channel))
            case Subscribe() if request.channel.startswith(PRESENCE):
                await self._join(request)
            case Subscribe():
                await self._follow(request)

    def _authenticated(self, ref: str | None) -> str:
        ends_at = datetime.fromtimestamp(min(self._principal.expires_at, LATEST), UTC)
        return messages.write(
            "authenticated", ref, subject=str(self._principal.subject), expires_at=ends_at.isoformat()
        )

    async def _renew(self, token: str) -> None:
        principal = await look_again(self._state, token)
        if (principal.subject, principal.scopes) != (self._principal.subject, self._principal.scopes):
            raise InvalidToken("This is another account's token, or allows something else.")
        self._principal, self._token = principal, token
        self._feed.reader = self._state.database.reader(principal.identity)
        self._lifetime.renew(principal)

    async def _follow(self, request: Subscribe) -> None:
        name, topic = request.channel, self._topics[request.channel]
        if self._principal.scopes is not None and topic.scope not in self._principal.scopes:
            raise InsufficientScope([topic.scope])
        self._make_room_for(name)
        self._followings.pop(name, None)
        following = Following(self._feed, self._follower, (name,))
        await following.begin(request.after)
        await self._subscribed(request, last_id=following.position)
        self._followings[name] = following

    async def _join(self, request: Subscribe) -> None:
        channel, name = request.channel, request.channel.removeprefix(PRESENCE)
        if self._principal.scopes is not None:  # no scope covers it
            raise InsufficientScope([])
        self._make_room_for(channel)
        if channel not in self._present and not await self._hub.presence.join(self._principal, name, self):
            raise UnknownChannel
        self._present[channel] = []
        await self._subscribed(request)
        self._to_look_at.add(name)

    async def _subscribed(self, request: Subscribe, **values: int) -> None:
        await self._wire.send(messages.write("subscribed", request.ref, channel=request.channel, **values))

    async def _unsubscribe(self, channel: str) -> None:
        if self._followings.pop(channel, None) is None:
            if channel not in self._present:
                raise UnknownChannel
            await self._leave(channel)

    async def _leave(self, channel: str) -> None:
        if self._present.pop(channel, None) is not None:
            await self._hub.presence.leave(self._principal, channel.removeprefix(PRESENCE), self)

    def _make_room_for(self, channel: str) -> None:
        others = {*self._followings, *self._present} - {channel}
        if len(others) >= MOST_SUBSCRIPTIONS:
            raise TooManySubscriptions

    # What it is told -------------------------------------------------------------------------------------------------

    async def _tell_all(self) -> None:
        while True:
            if (end := await self._lifetime.over()) is not None:
                raise _closing(end)
            try:
                is_told = [await self._tell_changes(name) for name in list(self._followings)]
                is_told += [await self._tell_presence(self._to_look_at.pop()) for _ in list(self._to_look_at)]
            except psycopg.Error:  # the database is away: what there is to tell does not get lost
                self._to_look_at.update(channel.removeprefix(PRESENCE) for channel in self._present)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not any(is_told):
                await self._follower.wait(self._lifetime.seconds)

    async def _tell_changes(self, name: str) -> bool:
        following = self._followings.get(name)
        batch = None if following is None else await following.more()
        if batch is None or self._followings.get(name) is not following:  # it was ended meanwhile
            return False
        for text in self._written(batch, self._topics[name]):
            await self._wire.send(text)
        return True

    def _written(self, batch: Batch, topic: Topic) -> list[str]:
        if batch.is_lost:
            return [messages.write("reset", channel=topic.name, id=batch.position, reason=EXPIRED)]
        return [messages.write_event(event, topic.noun) for event in batch.events]

    async def _tell_presence(self, name: str) -> bool:
        channel = PRESENCE + name
        if channel not in self._present:
            return False
        users = await self._hub.presence.present(self._principal, name)
        if channel not in self._present:  # it was left meanwhile
            return True
        if str(self._principal.subject) not in users:
            if not await self._hub.presence.stay(self._principal, name):  # it was taken from them
                await self._leave(channel)
                await self._wire.send(messages.write("unsubscribed", channel=channel))
        elif users != self._present[channel]:
            self._present[channel] = users
            await self._wire.send(messages.write("presence", channel=channel, users=users))
        return True


LATEST = 253_402_300_799  # the end of the year 9999: a personal token may never expire


def _closing(end: End) -> Closed:
    match end:
        case End.TOKEN_EXPIRED:
            return Closed(Code.UNAUTHENTICATED, TokenExpired())
        case End.SESSION_ENDED:
            return Closed(Code.UNAUTHENTICATED, SessionEnded())
        case End.SERVER_STOPPING:
            return Closed(Code.RESTART)
        case _:
            return Closed(Code.TRY_LATER)
