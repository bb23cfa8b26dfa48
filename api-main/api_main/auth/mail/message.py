"""What is mailed, and how its text is made from a template.

Templates use the placeholders of Supabase's (https://supabase.com/docs/guides/auth/auth-email-templates), so that
templates move over unchanged: `{{ .ConfirmationURL }}`, `{{ .Token }}`, `{{ .TokenHash }}`, `{{ .SiteURL }}`,
`{{ .RedirectTo }}`, `{{ .Email }}`, `{{ .NewEmail }}`.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PLACEHOLDER = re.compile(r"{{\s*\.(\w+)\s*}}")
SUBJECT = re.compile(r"<title>(.*?)</title>", re.DOTALL)
OWN_TEMPLATES = Path(__file__).with_name("templates")


class MailKind(StrEnum):
    """Why somebody gets mail; the name of its template."""

    CONFIRMATION = "confirmation"
    RECOVERY = "recovery"
    MAGIC_LINK = "magic_link"
    INVITE = "invite"
    EMAIL_CHANGE = "email_change"
    REAUTHENTICATION = "reauthentication"


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, ready to be sent."""

    to: str
    subject: str
    html: str


class Templates:
    """The templates by kind: the user's own folder first, ours for what it lacks."""

    def __init__(self, directory: Path | None = None) -> None:
        self._sources = {kind: _read(kind, directory) for kind in MailKind}

    def render(self, kind: MailKind, to: str, values: Mapping[str, str]) -> Message:
        """Fill a template. Values are escaped; a placeholder without a value becomes nothing."""
        text = PLACEHOLDER.sub(lambda found: html.escape(values.get(found[1], "")), self._sources[kind])
        subject = SUBJECT.search(text)
        return Message(to, " ".join(html.unescape(subject[1]).split()) if subject else "", text)


def _read(kind: MailKind, directory: Path | None) -> str:
    name = f"{kind}.html"
    replaced = directory / name if directory is not None else None
    path = replaced if replaced is not None and replaced.is_file() else OWN_TEMPLATES / name
    return path.read_text(encoding="utf-8")
