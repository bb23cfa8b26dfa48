"""How mail leaves: through SMTP, or, on a laptop, into a mailbox that `/dev/mail` shows."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from api_main.auth.mail.message import Message

log = structlog.get_logger()

KEPT = 50
SMTP_SECONDS = 10


class MailSender(Protocol):
    async def send(self, message: Message) -> None:
        """Send, or log why not: whoever asked for the mail must not learn from it who has an account."""
        ...


class SmtpSender:
    """Sends through `smtp://user:password@host:port` (STARTTLS where offered) or `smtps://…` (TLS from the start)."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._domain = parseaddr(sender)[1].partition("@")[2] or "localhost"

    async def send(self, message: Message) -> None:
        try:
            await aiosmtplib.send(
                self._compose(message),
                hostname=self._url.hostname,
                port=self._url.port,
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                use_tls=self._url.scheme == "smtps",
                timeout=SMTP_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            log.warning("mail_failed", error=repr(error))

    def _compose(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, message.to, message.subject
        mail["Content-Language"] = message.language
        mail["Date"], mail["Message-ID"] = format_datetime(datetime.now(UTC)), make_msgid(domain=self._domain)
        mail.set_content(message.html, subtype="html")
        return mail


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message in the mailbox, and when it came."""

    at: datetime
    message: Message


class Mailbox:
    """Keeps the newest messages in memory instead of sending them."""

    def __init__(self) -> None:
        self._delivered: deque[Delivered] = deque(maxlen=KEPT)

    async def send(self, message: Message) -> None:
        self._delivered.appendleft(Delivered(datetime.now(UTC), message))

    def newest_first(self) -> Iterable[Delivered]:
        return tuple(self._delivered)
