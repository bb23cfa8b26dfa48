"""Who is there: seen by those who share the channel, at whatever process they are, and by nobody else."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.events import hub
from api_main.main import create_app
from tests.conftest import NewPerson
from tests.events.socket_client import Socket, socket_of
from tests.patience import eventually
from tests.people import Person
from tests.serving import serve

Admin = psycopg.Connection[Any]

TEAM = "presence:team"
MEMBER = '{"channels": ["team"]}'


@pytest.fixture(scope="module")
def other_address(live_settings: Settings) -> Iterator[str]:
    """A second replica."""
    with serve(create_app(live_settings)) as url:
        yield url


@pytest.fixture
def team(new_person: NewPerson) -> list[Person]:
    return [new_person(raw_app_meta_data=MEMBER) for _ in range(2)]


def ids(*people: Person) -> list[str]:
    return sorted(str(person.id) for person in people)


async def told(socket: Socket) -> list[str]:
    message = await socket.next()
    assert (message["type"], message["channel"]) == ("presence", TEAM), message
    users: list[str] = message["users"]
    return users


async def test_those_who_share_a_channel_see_each_other_come_and_go_over_replicas(
    address: str, other_address: str, team: list[Person]
) -> None:
    ada, bob = team
    async with socket_of(address, ada) as here:
        await here.subscribe(TEAM)
        assert await told(here) == ids(ada)
        async with socket_of(other_address, bob) as there, socket_of(address, bob) as at_both:
            await there.subscribe(TEAM)
            assert await told(there) == ids(ada, bob)
            assert await told(here) == ids(ada, bob)
            await at_both.subscribe(TEAM)
            assert await told(at_both) == ids(ada, bob)
            assert (await there.ask("unsubscribe", channel=TEAM))["type"] == "unsubscribed"
            assert (await here.ask("ping"))["type"] == "pong"  # Bob is there by his other connection: no news
        assert await told(here) == ids(ada)


async def test_a_stranger_learns_nothing(address: str, team: list[Person], bob: Person) -> None:
    """Not even whether there is such a channel."""
    async with socket_of(address, team[0]) as member, socket_of(address, bob) as stranger:
        await member.subscribe(TEAM)
        assert await told(member) == ids(team[0])
        refusals = [await stranger.ask("subscribe", channel=name) for name in (TEAM, "presence:none")]
        assert refusals[0] == refusals[1]
        assert refusals[0]["code"] == "unknown_channel"


async def test_nobody_gives_themselves_a_channel(address: str, bob: Person, admin: Admin) -> None:
    """What people write about themselves is their user_metadata."""
    admin.execute("update auth.users set raw_user_meta_data = %s where id = %s", (MEMBER, bob.id))
    async with socket_of(address, bob) as socket:
        assert (await socket.ask("subscribe", channel=TEAM))["code"] == "unknown_channel"


async def test_a_channel_that_is_taken_away_is_left(
    live_settings: Settings, team: list[Person], admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.2)
    ada, bob = team
    with serve(create_app(live_settings)) as url:
        async with socket_of(url, ada) as stays, socket_of(url, bob) as goes:
            await stays.subscribe(TEAM)
            assert await told(stays) == ids(ada)
            await goes.subscribe(TEAM)
            assert await told(goes) == await told(stays) == ids(ada, bob)
            admin.execute("update auth.users set raw_app_meta_data = '{}' where id = %s", (bob.id,))
            assert await goes.next() == {"type": "unsubscribed", "channel": TEAM}
            assert await told(stays) == ids(ada)


async def test_whoever_was_left_behind_by_a_dead_process_is_forgotten(
    live_settings: Settings, team: list[Person], admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.2)
    ada, bob = team
    with serve(create_app(live_settings)) as url:
        async with socket_of(url, ada) as socket:
            insert = "insert into private.presences (channel, user_id, process) values ('team', %s, gen_random_uuid())"
            admin.execute(insert, (bob.id,))
            await socket.subscribe(TEAM)
            assert await told(socket) == ids(ada, bob)
            admin.execute("update private.presences set seen_at = now() - interval '1 h' where user_id = %s", (bob.id,))
            assert await told(socket) == ids(ada)
            admin.execute("truncate private.presences")  # as after a crash of the server: the table is not logged
            here = "select user_id from private.presences"
            await eventually(lambda: admin.execute(here).fetchall() == [(ada.id,)])
            assert (await socket.ask("ping"))["type"] == "pong"  # and nobody was told that they had left
    assert admin.execute("select from private.presences where user_id = %s", (ada.id,)).fetchall() == []
