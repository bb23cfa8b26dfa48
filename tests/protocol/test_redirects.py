"""Where a link may lead: to the site or to an allowed address, however the wish is written."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from api_main.auth.redirects import Redirects
from tests.protocol.project import SITE, Project, good, link_in, new_email

PATTERNS = [
    "https://*.preview.example/**",
    "https://exact.example/welcome",
    "http://localhost:*/**",
    "app://welcome",
    "exp://**",
    "com.example.app:/callback",
    "https://shop.example/v?/*",
]
REDIRECTS = Redirects(SITE, PATTERNS)

ALLOWED = [
    SITE,
    f"{SITE}/welcome?next=%2F#top",
    "https://SITE.example/welcome",
    "https://feature-1.preview.example/a/b.html?c=d",
    "https://exact.example/welcome",
    "http://localhost:5173/",
    "app://welcome",
    "exp://192.0.2.7:8081/--/auth",
    "com.example.app:/callback",
    "https://shop.example/v1/cart",
]
TRICKS = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://evil.example",
    "http://site.example",
    "https://site.example:8443",
    "https://site.example.evil.example",
    "https://site.example@evil.example",
    "https://evil.example@site.example",
    "https://evil.example\\@site.example",
    "https://site.example\\.evil.example",
    "https://evil.example/https://site.example",
    "https://evil.example?https://site.example",
    "https://evil.example#https://site.example",
    "https://2130706433\\.preview.example/",
    "https://2130706433#.preview.example/",
    "https://2130706433?.preview.example/",
    "https://2130706433/.preview.example/",
    "https://a.b.preview.example/",
    "https://user@a.preview.example/",
    "https://exact.example/welcome/../admin",
    "http://localhost:80@evil.example/",
    "javascript:alert(1)",
    "JavaScript://site.example/%0aalert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://site.example",
    "app://welcome/elsewhere",
    "https://shop.example/v12/cart",
    "https://shop.example/v1/cart/x",
    " https://site.example",
    "https://site.example\n",
    "https://si\tte.example",
    "https://site.example\x00",
    "https://site\u3002example",
    "https://[::1",
    "\u2028https://site.example",
    "site.example",
    "",
]


@pytest.mark.parametrize("wanted", ALLOWED)
def test_an_allowed_address_is_followed(wanted: str) -> None:
    assert REDIRECTS.allowed(wanted) == wanted


@pytest.mark.parametrize("wanted", TRICKS, ids=ascii)
def test_anything_else_leads_to_the_site(wanted: str) -> None:
    assert REDIRECTS.allowed(wanted) == SITE


def test_without_a_wish_a_link_leads_to_the_site() -> None:
    assert REDIRECTS.allowed(None) == SITE


def test_a_site_with_a_user_name_makes_nothing_else_a_site() -> None:
    odd = Redirects("https://user@site.example", [])
    assert odd.allowed("https://user@evil.example") == "https://user@site.example"
    assert odd.allowed("//evil.example") == "https://user@site.example"


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "https://a.preview.example/x"])
async def test_mails_and_redirects_keep_to_what_is_allowed(confirming: Project, wanted: str) -> None:
    email = new_email()
    expected = wanted if "preview" in wanted else SITE
    query = f"redirect_to={quote(wanted, safe='')}"
    good(await confirming.post(f"otp?{query}", {"email": email}))
    link = link_in(confirming.mails(email)[0])
    assert parse_qs(urlsplit(link).query)["redirect_to"] == [expected]
    tampered = f"{link.partition('&redirect_to')[0]}&{query}"
    answer = await confirming.http.get(tampered)
    assert answer.headers["location"].startswith(f"{expected}#access_token=")


async def test_a_fragment_of_the_address_makes_room_for_ours(confirming: Project) -> None:
    answer = await confirming.http.get(f"/auth/v1/verify?redirect_to={quote(SITE + '/a#b')}")
    assert answer.headers["location"].startswith(f"{SITE}/a#error=")
