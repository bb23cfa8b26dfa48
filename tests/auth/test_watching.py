"""What stays open asks from time to time whether it may go on."""

import time

import psycopg
import pytest
from fastapi import FastAPI

from api_main.auth.errors import SessionEnded, TokenExpired
from api_main.auth.revocation import Revocations
from api_main.auth.watching import look_again
from api_main.core.settings import Settings
from tests.auth.forge import signed
from tests.people import Person, claims

LATE = 10  # seconds, for which a request's token would be forgiven


async def test_it_ends_with_the_token_to_the_second(
    app: FastAPI, settings: Settings, ada: Person, signing_key: dict[str, str]
) -> None:
    good = claims(settings, ada.id, ada.session)
    assert (await look_again(app.state, signed(signing_key, good))).subject == ada.id
    late = signed(signing_key, {**good, "exp": int(time.time()) - LATE})
    with pytest.raises(TokenExpired):
        await look_again(app.state, late)


async def test_it_ends_with_the_session(
    app: FastAPI, settings: Settings, ada: Person, signing_key: dict[str, str], admin: psycopg.Connection[object]
) -> None:
    token = signed(signing_key, claims(settings, ada.id, ada.session))
    await look_again(app.state, token)
    admin.execute("delete from auth.sessions where id = %s", (ada.session,))
    revocations: Revocations = app.state.revocations
    await revocations.forget(ada.id)
    with pytest.raises(SessionEnded):
        await look_again(app.state, token)
