"""Where a link in a mail may lead: to the site, or to an address that was allowed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote_plus, urlencode, urlsplit

# Supabase's patterns: `**` is anything, `*` anything but `.` and `/`, `?` one such character
# (https://supabase.com/docs/guides/auth/redirect-urls).
WILDCARDS = {"**": ".*", "*": "[^./]*", "?": "[^./]"}
TOKENS = re.compile(r"\*\*|\*|\?|[^*?]+")
ORIGIN = re.compile(r"([^/]*//[^/]*|[^/]*)(.*)", re.DOTALL)
# Browsers read a backslash as a slash, and pass over tabs and line breaks.
SUSPICIOUS = re.compile(r"[\x00-\x20\\\x7f-\x9f\u2028\u2029\ud800-\udfff]")
DANGEROUS_SCHEMES = {"", "javascript", "data", "vbscript", "file", "blob", "about"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """An allowed address in two parts, each matched by itself: a wildcard in the host must not reach into the path."""

    origin: re.Pattern[str]
    rest: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        found = ORIGIN.fullmatch(text)
        assert found is not None
        origin, rest = found.groups()
        return cls(_to_regex(origin.lower()), _to_regex("**" if origin.endswith("**") and not rest else rest))

    def matches(self, origin: str, rest: str) -> bool:
        return bool(self.origin.fullmatch(origin) and self.rest.fullmatch(rest))


class Redirects:
    """The addresses that links may lead to."""

    def __init__(self, site_url: str, patterns: Iterable[str]) -> None:
        self._site_url = site_url
        self._site = _split(site_url)
        self._patterns = [Pattern.parse(pattern) for pattern in patterns]

    def allowed(self, wanted: str | None) -> str:
        """The address that was asked for, or, if it is not allowed, the site."""
        parts = _split(wanted) if wanted else None
        if not wanted or parts is None:
            return self._site_url
        is_of_site = self._site is not None and parts[0] == self._site[0]
        return wanted if is_of_site or any(pattern.matches(*parts) for pattern in self._patterns) else self._site_url


def with_fragment(url: str, values: Mapping[str, Any]) -> str:
    """The address with these values as its fragment, which no server gets to see."""
    return f"{url.partition('#')[0]}#{urlencode(values)}"


def with_query(url: str, values: Mapping[str, Any]) -> str:
    """The address with these values in its query, in place of others of the same name."""
    base, hash_sign, fragment = url.partition("#")
    path, _, query = base.partition("?")
    kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in values]
    return f"{path}?{'&'.join([*kept, urlencode(values)])}{hash_sign}{fragment}"


def _to_regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(WILDCARDS.get(token) or re.escape(token) for token in TOKENS.findall(pattern)))


def _split(url: str) -> tuple[str, str] | None:
    """Scheme with authority, and what follows. A user name or a backslash is a trick, and no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if SUSPICIOUS.search(url) or "@" in parts.netloc or parts.scheme in DANGEROUS_SCHEMES:
        return None
    if parts.scheme in {"http", "https"} and not parts.netloc:  # browsers would look for a host further on
        return None
    origin = url[: len(parts.scheme) + 1] + (f"//{parts.netloc}" if parts.netloc else "")
    return origin.lower(), url[len(origin) :]
