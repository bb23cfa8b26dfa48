"""What is mailed, and how its text is made from a template.

Templates use the placeholders of Supabase's (https://supabase.com/docs/guides/auth/auth-email-templates), so that
templates move over unchanged: `{{ .ConfirmationURL }}`, `{{ .Token }}`, `{{ .TokenHash }}`, `{{ .SiteURL }}`,
`{{ .RedirectTo }}`, `{{ .Email }}`, `{{ .NewEmail }}`. Ours have `{{ .Language }}`, `{{ .Direction }}` (`ltr`, `rtl`)
and `{{ _("…") }}`, a sentence that the catalogues translate, besides.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from api_main.core.i18n import ENGLISH, LANGUAGES, RIGHT_TO_LEFT, translate

SENTENCE = re.compile(r'{{ _\("(.*?)"\) }}')
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
    language: str = ENGLISH


class Templates:
    """The templates by kind and language: the user's own folder first, ours for what it lacks.

    There, `recovery.de.html` is for German, and `recovery.html` for every language without one of its own.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._sources = {(kind, name): _read(kind, name, directory) for kind in MailKind for name in LANGUAGES}

    def render(self, kind: MailKind, to: str, values: Mapping[str, str], language: str = ENGLISH) -> Message:
        """Fill a template. Values are escaped; a placeholder without a value becomes nothing."""
        direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
        values = {**values, "Language": language, "Direction": direction}
        sentences = SENTENCE.sub(lambda found: _translated(found[1], language), self._sources[kind, language])
        text = PLACEHOLDER.sub(lambda found: html.escape(values.get(found[1], "")), sentences)
        subject = SUBJECT.search(text)
        return Message(to, " ".join(html.unescape(subject[1]).split()) if subject else "", text, language)


def _translated(sentence: str, language: str) -> str:
    """As HTML: the placeholders in it are filled later."""
    return html.escape(translate(sentence, language), quote=False)


def _read(kind: MailKind, language: str, directory: Path | None) -> str:
    names = (f"{kind}.{language}.html", f"{kind}.html")
    replaced = [directory / name for name in names] if directory is not None else []
    found = next((path for path in replaced if path.is_file()), OWN_TEMPLATES / f"{kind}.html")
    return found.read_text(encoding="utf-8")
