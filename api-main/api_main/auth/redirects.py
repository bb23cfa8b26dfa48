"""Where a link in a mail may lead: to the site, or to an address that was allowed."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

# Supabase's patterns: `**` is anything, `*` anything but `.` and `/`, `?` one such character
# (https://supabase.com/docs/guides/auth/redirect-urls).
WILDCARDS = {"**": ".*", "*": "[^./]*", "?": "[^./]"}
TOKENS = re.compile(r"\*\*|\*|\?|[^*?]+")


class Redirects:
    """The addresses that links may lead to."""

    def __init__(self, site_url: str, patterns: Iterable[str]) -> None:
        self._site_url = site_url
        self._patterns = [_to_regex(pattern) for pattern in patterns]

    def allowed(self, wanted: str | None) -> str:
        """The address that was asked for, or, if it is not allowed, the site."""
        if wanted and (_origin(wanted) == _origin(self._site_url) or any(p.fullmatch(wanted) for p in self._patterns)):
            return wanted
        return self._site_url


def _to_regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(WILDCARDS.get(token) or re.escape(token) for token in TOKENS.findall(pattern)))


def _origin(url: str) -> tuple[str, str] | None:
    """Scheme and authority. A user name or a backslash in it is a trick, and no origin."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    suspicious = "@" in parts.netloc or "\\" in url or not parts.netloc
    return None if suspicious else (parts.scheme.lower(), parts.netloc.lower())
