"""Mail through SMTP: to a real server, secured where it can be, and never at the cost of a request."""

from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from api_main.auth.mail.message import Message
from api_main.auth.mail.sender import SmtpSender
from api_main.core.settings import Settings
from tests.mail.smtp_server import PASSWORD, USER, certificate, smtp_server
from tests.protocol.project import good, new_email, running

SENDER = "Hybrid Auth <noreply@api.example>"
MESSAGE = Message("ada@example.com", "Gr\u00fc\u00dfe", "<p>Caf\u00e9 &amp; more</p>")
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return certificate(tmp_path_factory.mktemp("certificate"))


async def test_a_mail_arrives_as_it_was_written() -> None:
    with smtp_server() as (inbox, port):
        await SmtpSender(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)
    [mail] = inbox.messages
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, MESSAGE.to, MESSAGE.subject)
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Message-ID"].endswith("@api.example>")
    assert mail.get_content_type() == "text/html"
    assert mail.get_content().strip() == MESSAGE.html
    assert inbox.secured == [False]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_login_goes_over_tls(tls: Any, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    path, context = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    options = {"context": context} if scheme == "smtps" else {"tls_context": context, "require_starttls": True}
    # aiosmtpd takes a login over TLS from the start for one in the clear.
    with smtp_server(**options, auth_require_tls=scheme == "smtp") as (inbox, port):
        await SmtpSender(f"{scheme}://{LOGIN}127.0.0.1:{port}", SENDER).send(MESSAGE)
    assert (len(inbox.messages), inbox.users, inbox.secured) == (1, [USER], [True])


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_that_proves_nothing_gets_nothing(tls: Any, scheme: str) -> None:
    _, context = tls
    options = {"context": context} if scheme == "smtps" else {"tls_context": context}
    with smtp_server(**options) as (inbox, port), capture_logs() as logs:
        await SmtpSender(f"{scheme}://127.0.0.1:{port}", SENDER).send(MESSAGE)
    assert inbox.messages == []
    assert [line["event"] for line in logs if line["event"] == "mail_failed"] == ["mail_failed"]


async def test_a_wrong_password_is_logged_without_the_password() -> None:
    with smtp_server(auth_require_tls=False) as (inbox, port), capture_logs() as logs:
        await SmtpSender(f"smtp://{USER}:wrong-one@127.0.0.1:{port}", SENDER).send(MESSAGE)
    assert inbox.messages == []
    assert "mail_failed" in str(logs)
    assert "wrong-one" not in str(logs)


async def test_an_email_that_the_server_cannot_address_is_logged() -> None:
    with smtp_server(enable_SMTPUTF8=False) as (inbox, port), capture_logs() as logs:
        await SmtpSender(f"smtp://127.0.0.1:{port}", SENDER).send(Message("gr\u00e4ce@example.com", "Hello", "<p>"))
    assert inbox.messages == []
    assert "mail_failed" in str(logs)


async def test_a_sender_without_a_domain_still_numbers_its_mails() -> None:
    with smtp_server() as (inbox, port):
        await SmtpSender(f"smtp://127.0.0.1:{port}", "noreply").send(MESSAGE)
    assert inbox.messages[0]["Message-ID"].endswith("@localhost>")


async def test_whoever_signs_up_gets_mail_from_the_server_that_is_configured(settings: Settings) -> None:
    with smtp_server() as (inbox, port):
        url = f"smtp://127.0.0.1:{port}"
        async with running(settings, smtp_url=url, mail_from=SENDER) as project:
            email = new_email()
            await project.sign_up(email)
            assert (await project.http.get("/dev/mail")).status_code == 404
    [mail] = inbox.messages
    assert (mail["To"], mail["From"], mail["Subject"]) == (email, SENDER, "Confirm your e-mail")
    assert "/auth/v1/verify?token=" in mail.get_content()


async def test_a_server_that_is_down_is_logged_and_nobody_notices(settings: Settings) -> None:
    with smtp_server() as (_, port):
        pass
    async with running(settings, smtp_url=f"smtp://127.0.0.1:{port}") as project:
        with capture_logs() as logs:
            answers = [await project.post(path, {"email": new_email()}) for path in ("recover", "otp")]
            await project.sign_up()
    assert [good(answer) for answer in answers] == [{}, {}]
    failures = [line for line in logs if line["event"] == "mail_failed"]
    assert len(failures) == 2
