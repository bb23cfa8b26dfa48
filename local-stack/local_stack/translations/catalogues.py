"""The files `locales/<language>/LC_MESSAGES/messages.po`."""

from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.pofile import read_po, write_po

from api_main.core.i18n import ENGLISH, LANGUAGES, LOCALES
from local_stack.translations.extraction import Sentence, extract

TRANSLATED = tuple(language for language in LANGUAGES if language != ENGLISH)
# Headers that would change with every run, and tell nobody anything.
FLEETING = ("POT-Creation-Date", "PO-Revision-Date", "Last-Translator", "Language-Team", "Generated-By", "Report-Msgid")


def file_of(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "messages.po"


def load(language: str) -> Catalog:
    with file_of(language).open("rb") as source:
        return read_po(source, locale=language)


def template() -> Catalog:
    """Every sentence of the source, without a translation."""
    catalog = Catalog(project="Hybrid Auth API", version="1")
    for sentence, files in sorted(extract().items()):
        catalog.add(key_of(sentence), locations=[(file, 0) for file in files])
    return catalog


def key_of(sentence: Sentence) -> str | tuple[str, str]:
    return (sentence[0], sentence[1]) if len(sentence) > 1 else sentence[0]


def update_all() -> dict[str, list[Sentence]]:
    """Add new sentences to every catalogue, drop those that are said no more. What has no translation, by language."""
    return {language: _update(language) for language in TRANSLATED}


def updated(language: str) -> str:
    """The file as it should be."""
    catalog = load(language) if file_of(language).exists() else Catalog(locale=language)
    catalog.update(template(), no_fuzzy_matching=True)
    written = BytesIO()
    write_po(written, catalog, width=120, sort_output=True, ignore_obsolete=True, include_lineno=False)
    return _lasting(written.getvalue().decode())


def _update(language: str) -> list[Sentence]:
    text = updated(language)
    file_of(language).parent.mkdir(parents=True, exist_ok=True)
    file_of(language).write_text(text, encoding="utf-8")
    return [msgids(message) for message in load(language) if message.id and not is_translated(message)]


def msgids(message: Message) -> Sentence:
    return (message.id,) if isinstance(message.id, str) else tuple(map(str, message.id))


def is_translated(message: Message) -> bool:
    return bool(forms(message)) and all(forms(message))


def forms(message: Message) -> tuple[str, ...]:
    """Its translation; one for each plural form."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _lasting(text: str) -> str:
    """Without the headers and comments that change with every run."""
    lines = [line for line in text.splitlines() if not line.startswith(tuple(f'"{name}' for name in FLEETING))]
    first = next(number for number, line in enumerate(lines) if line.startswith("msgid"))
    return "\n".join(lines[first:]).rstrip() + "\n"
