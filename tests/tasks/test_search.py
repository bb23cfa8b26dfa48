"""Search: beginnings of words, best first, with highlights that are safe to show."""

import html
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from tests.tasks.client import Json, TasksClient


async def found(adas: TasksClient, words: str, **query: Any) -> list[str]:
    return sorted(await adas.titles("search", q=words, **query))


@pytest.fixture
async def library(adas: TasksClient) -> TasksClient:
    await adas.add_all(
        {"title": "Announce the release", "description": "Write to the press"},
        {"title": "Write the announcement", "status": "completed", "priority": "high"},
        {"title": "Press the button", "description": "announce nothing", "due_at": "2026-12-01T00:00:00Z"},
        {"title": "Überprüfung der Straße", "description": "日本語 текст ελληνικά"},
        {"title": "It's C++ & SQL", "description": "foo-bar e_mail@example.com https://example.com/a?b=c"},
    )
    return adas


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("ann", ["Announce the release", "Press the button", "Write the announcement"]),
        ("ANNOUNCEM", ["Write the announcement"]),
        ("nounce", []),
        ("ann press", ["Announce the release", "Press the button"]),
        ("press ann", ["Announce the release", "Press the button"]),
        ("  ann ,  wri ", ["Announce the release", "Write the announcement"]),
        ("ann ann ann", ["Announce the release", "Press the button", "Write the announcement"]),
        ("über", ["Überprüfung der Straße"]),
        ("STRASS", []),
        ("straß", ["Überprüfung der Straße"]),
        ("日本", ["Überprüfung der Straße"]),
        ("ελλ текст", ["Überprüfung der Straße"]),
        ("e_mail@example.com", ["It's C++ & SQL"]),
        ("foo-bar", ["It's C++ & SQL"]),
        ("sql", ["It's C++ & SQL"]),
    ],
)
async def test_every_word_must_begin_a_word_of_the_task(library: TasksClient, words: str, titles: list[str]) -> None:
    assert await found(library, words) == titles
    assert sorted(await library.titles(q=words)) == titles


@pytest.mark.parametrize("words", ["!", "&", "...", "''", "\\", "' \" `", "%", "_", "---", "()", ":*", "<>", " ", "\t"])
async def test_punctuation_alone_matches_nothing(library: TasksClient, words: str) -> None:
    assert await found(library, words) == []
    assert await library.titles(q=words) == []


@pytest.mark.parametrize(
    "words",
    ["ann & press", "ann | press", "!ann press", "ann:* press:*", "'ann' press", "ann\\ press\\", "(ann) <-> press'--"],
)
async def test_operators_are_punctuation(library: TasksClient, words: str) -> None:
    assert await found(library, words) == ["Announce the release", "Press the button"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_text_is_a_query(admin: Connection[Any], words: str) -> None:
    row = admin.execute("select private.prefix_query(%s)", (words,)).fetchone()
    assert row is not None
    assert row[0] == "" or row[0].endswith(":*")


async def test_a_match_in_the_title_ranks_before_one_in_the_description(library: TasksClient) -> None:
    titles = await library.titles("search", q="announce")
    assert titles.index("Announce the release") < titles.index("Press the button")
    ranks = [task["rank"] for task in (await library.page("search", q="announce"))["data"]]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > ranks[-1] > 0


async def test_search_takes_the_filters_of_the_list(library: TasksClient) -> None:
    assert await found(library, "ann", status=["completed", "cancelled"]) == ["Write the announcement"]
    assert await found(library, "ann", priority="high", status="pending") == []
    assert await found(library, "ann", due_after="2026-11-01T00:00:00Z") == ["Press the button"]
    assert await found(library, "ann", due_before="2026-11-01T00:00:00Z") == []


async def test_pages_of_equal_rank_show_every_match_once(adas: TasksClient) -> None:
    tasks = await adas.add_all(*[{"title": f"same {number % 3 * 'same '}"} for number in range(23)])
    seen = await adas.walk("search", q="same", limit=4)
    assert sorted(task["id"] for task in seen) == sorted(task["id"] for task in tasks)
    order = [(task["rank"], task["id"]) for task in seen]
    assert order == sorted(order, reverse=True)
    assert len({rank for rank, _ in order}) < len(order)


async def test_a_match_is_the_task_with_rank_and_highlights(adas: TasksClient) -> None:
    task = await adas.add("Find me", description=None)
    (match,) = (await adas.page("search", q="find"))["data"]
    rank = match.pop("rank")
    assert rank > 0
    assert match.pop("highlights") == {"title": "<mark>Find</mark> me", "description": None}
    assert match == task


async def test_highlights_mark_beginnings_of_words(library: TasksClient) -> None:
    (match,) = (await library.page("search", q="announcem writ"))["data"]
    assert match["highlights"]["title"] == "<mark>Write</mark> the <mark>announcement</mark>"


ATTEMPTS = [
    "<script>alert(1)</script> x",
    '"><img src=x onerror=alert(1)>',
    "<mark>not ours</mark> x",
    "&lt;script&gt; x &amp; &#60;b&#62;",
    "<x onmouseover='alert(1)'>x</x>",
    "http://x.example/?a=<b>&x=\"'",
    "x<!-- --><![CDATA[x]]>",
    "<<b>script>x</b>",
    "x\x01<x",
    "x</mark><b>x",
]


@pytest.mark.parametrize("text", ATTEMPTS)
async def test_highlights_hold_no_markup_but_ours(adas: TasksClient, text: str) -> None:
    await adas.add(text, description=text)
    for words in ("x", "script", "mark", "lt", "amp", "b"):
        for match in (await adas.page("search", q=words))["data"]:
            assert_safe(match["highlights"], text)


def assert_safe(highlights: Json, text: str) -> None:
    """Without our marks there is no markup, and what a browser shows is the text."""
    plain = re.sub("</?mark>", "", highlights["title"])
    assert html.unescape(plain) == text
    for shown in highlights.values():
        assert not re.search(r"[<>\"]|&(?!(amp|lt|gt|quot|#39);)", re.sub("</?mark>", "", shown))
        marks = re.findall("</?mark>", shown)
        assert marks == ["<mark>", "</mark>"] * (len(marks) // 2)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text(st.sampled_from("<>&\"'; /=-_.:@#ax1éß"), min_size=1, max_size=40))
def test_highlights_of_any_text_are_safe(admin: Connection[Any], text: str) -> None:
    row = admin.execute(
        "select private.highlight(%(text)s, private.prefix_query('a x'), true)", {"text": text}
    ).fetchone()
    assert row is not None
    assert_safe({"title": row[0]}, text)


async def test_a_long_description_is_cut_to_the_parts_that_match(adas: TasksClient) -> None:
    await adas.add("x", description="filler " * 500 + "needle " + "filler " * 500)
    (match,) = (await adas.page("search", q="needle"))["data"]
    shown = match["highlights"]["description"]
    assert "<mark>needle</mark>" in shown
    assert len(shown) < 400


async def test_search_needs_words(adas: TasksClient) -> None:
    answer = await adas.send("GET", "search")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "q")
