"""What happens after the answer: it may fail, but never takes the connection along."""

import asyncio
import http.client
import json
import threading
import time
from typing import Any

import httpx
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.patience import PATIENCE
from tests.protocol.project import PASSWORD, new_email
from tests.serving import serve

PATHS: dict[str, dict[str, Any]] = {"recover": {}, "magiclink": {}, "resend": {"type": "signup"}}


@pytest.mark.parametrize("path", PATHS)
def test_work_that_fails_is_logged_and_breaks_no_connection(
    settings: Settings, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = threading.Event()

    async def fail(*_: Any) -> None:
        failed.set()
        raise RuntimeError("the mail server is on fire")

    app = create_app(settings.model_copy(update={"log_format": "json"}))
    with serve(app) as url:
        app.state.links.send = fail
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
        body = json.dumps({"email": new_email(), **PATHS[path]})
        connection.request("POST", f"/auth/v1/{path}", body)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"{}")
        assert failed.wait(PATIENCE)
        time.sleep(0.1)
        used = connection.sock
        connection.request("GET", "/auth/v1/health")
        assert connection.getresponse().status == 200
        assert connection.sock is used
        connection.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [line] = [line for line in lines if line["event"] == "work_after_the_answer_failed"]
    assert "on fire" in json.dumps(line)


ASKED = {**PATHS, "otp": {}, "signup": {"password": PASSWORD}}


@pytest.mark.parametrize("path", ASKED)
def test_the_answer_waits_for_no_work_that_could_tell_who_has_an_account(settings: Settings, path: str) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    async def hold(*_: Any) -> None:
        begun.set()
        await asyncio.to_thread(goes_on.wait, 2 * PATIENCE)

    app = create_app(settings.model_copy(update={"email_autoconfirm": False}))
    with serve(app) as url:
        app.state.links.send = app.state.accounts.add_without_password = hold
        try:
            answer = httpx.post(f"{url}/auth/v1/{path}", json={"email": new_email(), **ASKED[path]}, timeout=PATIENCE)
            assert answer.status_code == 200
            assert begun.wait(PATIENCE)
        finally:
            goes_on.set()
