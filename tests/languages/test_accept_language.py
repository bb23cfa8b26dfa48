"""`Accept-Language`: what browsers send, what the RFC allows, and what nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_main.core.accept_language import MOST_CHARACTERS, language_of, read_wish

OURS = ("en", "ar", "de", "es", "fr", "ja", "pt")

HEADERS = {
    "": None,
    "de": "de",
    "DE": "de",
    "pt-BR": "pt",
    "pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7": "pt",
    "zh-CN,zh;q=0.9,ja;q=0.3": "ja",
    "zh-CN": None,
    "en-GB, de;q=0.9, en;q=0.5": "en",
    "de;q=0.8,fr;q=0.9": "fr",
    "fr,de": "fr",
    "de;q=0.5,fr;q=0.5": "de",
    "de;q=0": None,
    "de;q=0.000, fr;q=0.001": "fr",
    "de;q=0, de-AT": None,
    "de-AT;q=0, de;q=0.2": "de",
    "*": None,
    "*;q=0.5, es;q=0.4": None,
    "*;q=0.5, es;q=0.5": None,
    "es;q=0.6, *;q=0.5": "es",
    "  de\t;\tQ=1.0 , fr": "de",
    "de ; q=0.9": "de",
    "sr-Latn-RS, ar-EG;q=0.2": "ar",
    "de;q=2, fr;q=0.1": "fr",
    "de;q=-1, fr;q=0.1": "fr",
    "de;q=0.1234, fr;q=0.1": "fr",
    "de;level=1, fr;q=0.1": "fr",
    "de_DE": None,
    "d\u00e9, fr;q=0.1": "fr",
    "<script>, fr;q=0.1": "fr",
    ",,,;;;q=,fr": "fr",
    "deutsch-de": None,
    "i-klingon, x-pig-latin;q=0.9, ja;q=0.1": "ja",
}


@pytest.mark.parametrize("header", HEADERS, ids=repr)
def test_a_header_asks_for_a_language(header: str) -> None:
    assert read_wish(header, OURS).language == HEADERS[header]


def test_what_is_refused_by_name_is_known() -> None:
    assert read_wish("*, en;q=0, fr;q=0.0", OURS).refused == {"en", "fr"}
    assert read_wish("*;q=0, de", OURS).refused == frozenset()


@pytest.mark.parametrize(
    "header",
    [
        "de-" + "x" * 10_000,
        "de," * 4_000,
        ("zz-ZZ;q=0.5," * 900) + "de",
        "de" + " " * 10_000 + ";q=0",
        "-" * 10_000,
        "a" * 10_000,
        ("," * 10_000) + "de",
        ("a-" * 5_000),
    ],
    ids=["long tag", "many", "late", "blanks", "hyphens", "letters", "commas", "subtags"],
)
def test_no_more_of_a_long_header_is_read_than_anybody_needs(header: str) -> None:
    assert len(header) > 10_000 - 1
    assert read_wish(header, OURS) == read_wish(header[:MOST_CHARACTERS], OURS)
    assert read_wish(header, OURS).language in {None, "de"}


pieces = st.sampled_from(
    ["de", "en-US", "fr", "*", "ja", "q=0", "q=1", "q=0.", ";", ",", " ", "\t", "-", "=", "é", "\x00"]
)


@given(st.one_of(st.text(max_size=200), st.lists(pieces, max_size=40).map("".join)))
def test_whatever_is_sent_there_is_an_answer(header: str) -> None:
    wish = read_wish(header, OURS)
    assert wish.language is None or wish.language in OURS
    assert wish.language not in wish.refused
    assert wish.refused <= set(OURS)


@given(st.permutations([("de", 0.9), ("fr", 0.8), ("ja", 0.1), ("xx", 1.0)]))
def test_quality_decides_and_not_the_order(ranges: list[tuple[str, float]]) -> None:
    assert read_wish(",".join(f"{tag};q={quality}" for tag, quality in ranges), OURS).language == "de"


@pytest.mark.parametrize(("locale", "language"), [("pt-BR", "pt"), ("EN", "en"), ("zh-Hant", None), ("", None)])
def test_a_locale_has_its_language(locale: str, language: str | None) -> None:
    assert language_of(locale, OURS) == language
