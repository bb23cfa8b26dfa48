"""Languages: what people are told, in theirs.

English stands in the source, and is the key of every translation. Whatever is told to people goes through `say` on its
way out; which languages there are is a matter of the folders in `locales`. See docs/languages.md.

    raise TaskNotFound                                                      # a class's sentence is found by itself
    raise PermissionDenied("This account is kept by another issuer.")       # and so is one that stands here
    raise WeakPassword(_("At least {minimum} characters.", minimum=8))      # one with values
    raise JobFailed("invalid_rows", plural("{n} row is wrong.", "{n} rows are wrong.", bad))
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from api_main.core.accept_language import language_of, read_wish

LOCALES = Path(__file__).parents[1] / "locales"
ENGLISH = "en"
LANGUAGES = (ENGLISH, *sorted(path.name for path in LOCALES.iterdir() if (path / "LC_MESSAGES").is_dir()))
RIGHT_TO_LEFT = frozenset({"ar"})


class Message(str):
    """An English sentence that remembers how it was made, so that it can be said in another language."""

    __slots__ = ("msgid", "msgid_plural", "number", "values")

    msgid: str
    msgid_plural: str | None
    number: int
    values: Mapping[str, Any]

    def __new__(
        cls, msgid: str, msgid_plural: str | None = None, number: int = 1, values: Mapping[str, Any] | None = None
    ) -> Self:
        values = values or {}
        text = msgid if msgid_plural is None or number == 1 else msgid_plural
        message = super().__new__(cls, text.format_map(values) if values else text)
        message.msgid, message.msgid_plural, message.number, message.values = msgid, msgid_plural, number, values
        return message

    def filled(self, values: Mapping[str, Any]) -> "Message":
        """The same sentence with these values in it."""
        return Message(self.msgid, self.msgid_plural, self.number, values)

    def saying(self, english: str) -> "Message":
        """The same sentence in all languages but English."""
        said = Message(english)
        said.msgid, said.msgid_plural, said.number, said.values = (
            self.msgid,
            self.msgid_plural,
            self.number,
            self.values,
        )
        return said

    def counted(self, number: int, values: Mapping[str, Any]) -> "Message":
        """The same sentence about so many things."""
        return Message(self.msgid, self.msgid_plural, number, values)


def _(text: str, /, **values: Any) -> Message:
    """A sentence to be translated where it is told. `{name}` in it stands for a value."""
    return Message(text, values=values)


def plural(one: str, many: str, number: int, /, **values: Any) -> Message:
    """A sentence about a number of things, which is also its value `{n}`. Each language has forms of its own."""
    return Message(one, many, number, {"n": number, **values})


class Audience:
    """Whom a request is answered, as far as language goes: what it accepts, then the profile's locale, then English."""

    __slots__ = ("_headers", "locale", "spoken")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]] = (), locale: str | None = None) -> None:
        self._headers = headers
        self.locale = locale
        """That of the profile, once somebody has looked."""
        self.spoken: str | None = None
        """The language in which something has been said."""

    @property
    def accepted(self) -> str:
        return ",".join(value.decode("latin-1") for name, value in self._headers if name == b"accept-language")

    @property
    def asks_for_one(self) -> bool:
        """Whether the profile's locale makes no difference."""
        return self.spoken is not None or read_wish(self.accepted, LANGUAGES).language is not None

    @property
    def language(self) -> str:
        wish = read_wish(self.accepted, LANGUAGES)
        if wish.language is not None:
            return wish.language
        wanted = language_of(self.locale, LANGUAGES) if self.locale else None
        candidates = (wanted, *LANGUAGES) if wanted is not None else LANGUAGES
        return next((name for name in candidates if name not in wish.refused), ENGLISH)

    def begin_to_speak(self) -> str:
        """The language of everything that is said from now on."""
        if self.spoken is None:
            self.spoken = self.language
        return self.spoken


current_audience: ContextVar[Audience | None] = ContextVar("current_audience", default=None)
"""That of the request or job that is worked on; without one, English is spoken."""


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in this language meanwhile, or in that of a locale."""
    token = current_audience.set(Audience(locale=language))
    try:
        yield
    finally:
        current_audience.reset(token)


def spoken_language() -> str:
    """The language in which `say` says things just now."""
    audience = current_audience.get()
    return ENGLISH if audience is None else audience.begin_to_speak()


def reader_language(locale: str | None) -> str:
    """The language of somebody who reads later: that of their locale, else the one in which the request is answered."""
    chosen = language_of(locale, LANGUAGES) if locale else None
    audience = current_audience.get()
    return chosen or (ENGLISH if audience is None else audience.language)


def say(text: str, instead: str | None = None) -> str:
    """A sentence in the language of whom it is for.

    Args:
        text: a `Message`, or the English of one without values.
        instead: said if there is no translation, as for the words of another service. Without it they stay English.
    """
    return translate(text, spoken_language(), instead)


def say_all(value: Any) -> Any:
    """JSON whose `Message`s are said; all other strings are data, and stay."""
    match value:
        case Message():
            return say(value)
        case dict():
            return {key: say_all(part) for key, part in value.items()}
        case list() | tuple():
            return [say_all(part) for part in value]
        case _:
            return value


def translate(text: str, language: str, instead: str | None = None) -> str:
    """A sentence in one of our languages."""
    message = text if isinstance(text, Message) else Message(text)
    if language == ENGLISH:
        return str(message)
    found = _found(message, language)
    if found is None:
        return str(message) if instead is None else translate(instead, language)
    if not message.values:
        return found
    return found.format_map({name: _in(value, language) for name, value in message.values.items()})


def load_catalogues() -> None:
    """Read every language now rather than when it is first spoken. It takes some 20 ms."""
    for name in LANGUAGES:
        _catalogue(name)


def _in(value: Any, language: str) -> Any:
    return translate(value, language) if isinstance(value, Message) else value


def _found(message: Message, language: str) -> str | None:
    catalogue = _catalogue(language)
    if message.msgid_plural is None:
        found = catalogue.gettext(message.msgid)
        return None if found is message.msgid else found
    found = catalogue.ngettext(message.msgid, message.msgid_plural, message.number)
    return None if found in {message.msgid, message.msgid_plural} else found


@cache
def _catalogue(language: str) -> GNUTranslations:
    if language == ENGLISH:
        return GNUTranslations()
    with (LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
