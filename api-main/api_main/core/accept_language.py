"""`Accept-Language` (RFC 9110, section 12.5.4): which of our languages somebody wants to read.

A range with a region, such as `pt-BR`, asks for its language (the lookup of RFC 4647, section 3.4). Whatever is not
well-formed is passed over: no header makes a request fail.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MOST_CHARACTERS = 1000  # that are read: browsers send about 50
ELEMENT = re.compile(
    r"[ \t]*(?P<range>\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<quality>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)
ANY = "*"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a header asks for.

    Attributes:
        language: the best of ours; None if the header leaves the choice to us.
        refused: languages with a quality of 0.
    """

    language: str | None = None
    refused: frozenset[str] = frozenset()


NOTHING = Wish()


def read_wish(header: str, languages: Sequence[str]) -> Wish:
    """The wish that a header expresses, among these languages. It costs next to nothing for one that was seen before.

    The highest quality wins, then what comes first. A language that is refused by name is not chosen for the sake of
    one of its regions, nor for `*`.
    """
    return _read(header[:MOST_CHARACTERS], tuple(languages)) if header else NOTHING


def language_of(locale: str, languages: Sequence[str]) -> str | None:
    """Our language for a locale such as `pt-BR`; None if we do not speak it."""
    primary = locale.partition("-")[0].lower()
    return primary if primary in languages else None


@lru_cache(maxsize=256)
def _read(header: str, languages: tuple[str, ...]) -> Wish:
    best: dict[str, float] = {}
    refused = set[str]()
    for element in header.split(","):
        found = ELEMENT.fullmatch(element)
        if found is None:
            continue
        tag, quality = found["range"], float(found["quality"] or 1)
        name = ANY if tag == ANY else language_of(tag, languages)
        if name is None:
            continue
        if quality > 0:
            best[name] = max(quality, best.get(name, 0))
        elif tag.lower() == name:
            refused.add(name)
    wanted = {name: quality for name, quality in best.items() if name not in refused}
    first = max(wanted, key=lambda name: wanted[name], default=ANY)
    return Wish(None if first == ANY else first, frozenset(refused - {ANY}))
