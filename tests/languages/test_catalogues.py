"""Every sentence has a translation in every language, and every translation is of a sentence that is still said."""

import ast
import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Message as Entry
from pydantic_core import PydanticKnownError

from api_main.core.envelope import Success
from api_main.core.i18n import LANGUAGES, LOCALES, Message, plural, speaking, translate
from api_main.core.validation_messages import SENTENCES, message_of
from local_stack.translations import catalogues
from local_stack.translations.catalogues import TRANSLATED
from local_stack.translations.extraction import bypasses, extract
from tests.contract.test_document import error_classes

MAIL_PLACEHOLDER = re.compile(r"{{ \.\w+ }}")
# Shorter than pydantic's own, which go on with words of its parsers.
CUT = {"uuid_parsing", "datetime_parsing", "datetime_from_date_parsing", "date_parsing", "date_from_datetime_parsing"}
OWN = CUT | {"model_type"}
CONTEXT = {
    "pattern": "^a$", "min_length": 3, "max_length": 3, "actual_length": 7, "field_type": "List", "gt": 1, "ge": 1,
    "lt": 1, "le": 1, "expected": "'a'", "tag": "x", "discriminator": "'kind'", "expected_tags": "'a'", "error": "",
    "class_name": "Task",
}  # fmt: skip


def test_the_seven_languages_are_there() -> None:
    assert set(LANGUAGES) == {"en", "de", "fr", "es", "pt", "ja", "ar"}


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_to_translate(language: str) -> None:
    """If this fails: run `scripts/translations`, and fill in what is empty. See docs/languages.md."""
    catalog = catalogues.load(language)
    entries = {catalogues.msgids(entry)[0]: entry for entry in catalog if entry.id}
    said = {sentence[0] for sentence in extract()}
    assert sorted(said - set(entries)) == [], "not in the catalogue"
    assert sorted(set(entries) - said) == [], "said no more"
    assert [msgid for msgid, entry in entries.items() if not catalogues.is_translated(entry)] == []
    assert [msgid for msgid, entry in entries.items() if entry.fuzzy] == []
    assert list(catalog.obsolete) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogue_is_as_the_script_writes_it(language: str) -> None:
    before = catalogues.file_of(language).read_text(encoding="utf-8")
    assert catalogues.updated(language) == before


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_translation_has_the_values_of_its_sentence(language: str) -> None:
    catalog = catalogues.load(language)
    wrong = [entry.id for entry in catalog if entry.id and not _has_same_values(entry)]
    assert wrong == []
    assert [
        entry.id for entry in catalog if entry.pluralizable and len(catalogues.forms(entry)) != catalog.num_plurals
    ] == []


def _has_same_values(entry: Entry) -> bool:
    """A form for one thing, or for two, may do without the number."""
    wanted = _values(catalogues.msgids(entry)[-1])
    found = [_values(form) for form in catalogues.forms(entry)]
    if not entry.pluralizable:
        return found == [wanted]
    return wanted in found and all(values <= wanted and len(wanted - values) < 2 for values in found)


def _values(text: str) -> frozenset[str]:
    of_mail = MAIL_PLACEHOLDER.findall(text)
    fields = string.Formatter().parse(MAIL_PLACEHOLDER.sub("", text))
    return frozenset([*of_mail, *(name for _text, name, _spec, _conversion in fields if name is not None)])


def test_nothing_is_said_past_the_catalogues() -> None:
    """If this fails: a sentence with values is `_("… {name} …", name=value)`, no f-string: docs/languages.md."""
    assert bypasses() == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('class Gone(NotFound):\n    code, message = "gone", "It is gone."', ("It is gone.",)),
        ('class Gone(NotFound):\n    message: str = "It is gone."', ("It is gone.",)),
        ('raise NotFound("It is gone.")', ("It is gone.",)),
        ('raise errors.NotFound(message="It is gone.")', ("It is gone.",)),
        ('raise JobFailed("code", "It is gone.")', ("It is gone.",)),
        ('Success(data=1, message="It is gone.")', ("It is gone.",)),
        ('_("{n} is gone.", n=1)', ("{n} is gone.",)),
        ('plural("{n} is gone.", "{n} are gone.", 2)', ("{n} is gone.", "{n} are gone.")),
        ('raise NotFound(f"{x} is gone.")', None),
        ('raise NotFound("{} is gone.".format(x))', None),
        ('raise NotFound("gone: " + x)', None),
        ('raise NotFound("gone: %s" % x)', None),
        ('_(f"{x} is gone.")', None),
        ('class Gone(NotFound):\n    message = f"{x} is gone."', None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_extractor_sees_what_it_looks_for(tmp_path: Path, source: str, found: tuple[str, ...] | None) -> None:
    ast.parse(source)
    base = "class ApiError(Exception): ...\nclass NotFound(ApiError): ...\n"
    (tmp_path / "errors.py").write_text(base + source + "\n", encoding="utf-8")
    assert (list(extract(tmp_path)), len(bypasses(tmp_path))) == (([found], 0) if found else ([], 1))


def test_validators_and_mails_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mail.html").write_text('<p>{{ _("Hello {{ .Email }}.") }}</p>', encoding="utf-8")
    (tmp_path / "schemas.py").write_text('raise ValueError("It is too late.")', encoding="utf-8")
    (tmp_path / "service.py").write_text('raise ValueError("Nobody hears this.")', encoding="utf-8")
    assert sorted(extract(tmp_path)) == [("Hello {{ .Email }}.",), ("It is too late.",)]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_error_speaks_every_language(language: str) -> None:
    english = [error.message for error in error_classes() if translate(error.message, language) == error.message]
    assert english == []


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_the_sentences_for_pydantic_are_pydantics(kind: str) -> None:
    known = PydanticKnownError(kind, CONTEXT)  # type: ignore[arg-type]
    said = message_of({"type": kind, "msg": known.message(), "ctx": CONTEXT})
    assert said == known.message()
    assert isinstance(said, Message)
    if kind not in OWN:
        assert Message(said.msgid, said.msgid_plural, said.number, said.values) == known.message()
    for language in TRANSLATED:
        translated = translate(said, language)
        assert translated not in {said, known.message()}
        assert "{" not in translated


CHARACTERS = {1: "حرف واحد", 2: "حرفين", 3: "3 أحرف", 10: "10 أحرف", 11: "11 حرفًا", 99: "99 حرفًا", 100: "100 حرف"}


@pytest.mark.parametrize("number", CHARACTERS)
def test_arabic_counts_as_it_does(number: int) -> None:
    one, many = "The password must have at least {n} character.", "The password must have at least {n} characters."
    assert translate(plural(one, many, number), "ar") == f"يجب ألا تقل كلمة المرور عن {CHARACTERS[number]}."


def test_what_no_catalogue_knows_gives_way_to_what_they_do() -> None:
    assert translate("The GPU is on fire.", "de", "The input is not valid.") == "Die Eingabe ist ungültig."
    assert translate("The GPU is on fire.", "de") == "The GPU is on fire."
    assert translate("The GPU is on fire.", "en", "The input is not valid.") == "The GPU is on fire."


def test_values_that_are_sentences_are_translated_too() -> None:
    inner = Message("Expecting value")
    assert translate(Message("This is no valid JSON: {reason}.", values={"reason": inner}), "de") == (
        "Dies ist kein gültiges JSON: ein Wert wird erwartet."
    )


def test_an_unknown_locale_is_answered_in_english() -> None:
    with speaking("tlh"):
        assert translate("Sign in first.", "en") == "Sign in first."
    assert not (LOCALES / "en").exists()


def test_a_success_may_have_a_message_too() -> None:
    answer = Success[int](data=1, message="Sign in first.")
    with speaking("de"):
        assert answer.model_dump()["message"] == "Bitte melden Sie sich zuerst an."
    assert answer.model_dump()["message"] == "Sign in first."
    assert Success[int](data=1).model_dump()["message"] is None


def test_a_new_language_begins_with_every_sentence_untranslated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogues, "LOCALES", tmp_path)
    monkeypatch.setattr(catalogues, "TRANSLATED", ("it",))
    missing = catalogues.update_all()["it"]
    assert set(missing) == set(extract())
    assert catalogues.update_all()["it"] == missing
    text = catalogues.file_of("it").read_text(encoding="utf-8")
    assert "nplurals=2" in text
    assert "POT-Creation-Date" not in text
