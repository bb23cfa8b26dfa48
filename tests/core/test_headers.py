"""What every answer carries: an id, security headers and, for the origins that are allowed, CORS."""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import PlainTextResponse

from api_main.core.middleware import RequestContext
from api_main.core.security_headers import SECURITY_HEADERS
from api_main.core.settings import Settings
from api_main.main import PUBLIC_DOCUMENTS
from tests.core.conftest import ORIGIN
from tests.people import Person

TASKS = "/api/v1/tasks"
PAGES = ["/docs", "/redoc"]


@pytest.mark.parametrize("given", ["a-request.id_1", "0d5b1c52-0f3c-4ee3-a6a6-3f0c1b6a5c11", "x" * 128])
async def test_a_sane_request_id_is_kept(http: httpx.AsyncClient, given: str) -> None:
    for path in ("/health/live", "/nope", "/stage/crash"):
        answer = await http.get(path, headers={"X-Request-ID": given})
        assert answer.headers.get_list("X-Request-ID") == [given]


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 129, "with space", "<script>", "line\tfeed!", "é" * 10, "{{7*7}}aaaa"]
)
async def test_any_other_request_id_is_replaced(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.get("/health/live", headers=[(b"X-Request-ID", given.encode())])
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_each_request_has_an_id_of_its_own(http: httpx.AsyncClient) -> None:
    assert len({(await http.get("/health/live")).headers["X-Request-ID"] for _ in range(20)}) == 20


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/auth/v1/.well-known/jwks.json", TASKS, *PAGES])
async def test_every_answer_has_the_security_headers(http: httpx.AsyncClient, ada: Person, path: str) -> None:
    answer = await http.get(path, headers=ada.headers)
    assert answer.status_code == 200
    own = {"content-security-policy"} if path in PAGES else set()
    own |= {"cache-control"} if path in PUBLIC_DOCUMENTS else set()
    expected = {name: value for name, value in SECURITY_HEADERS.items() if name not in own}
    assert answer.headers.items() >= expected.items()
    assert answer.headers.keys() >= own
    assert "Strict-Transport-Security" not in answer.headers


async def test_production_insists_on_https(settings: Settings) -> None:
    app = RequestContext(PlainTextResponse(""), settings.model_copy(update={"environment": "production"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://api.test") as http:
        answer = await http.get("/")
    assert int(re.findall(r"max-age=(\d+)", answer.headers["Strict-Transport-Security"])[0]) >= 31536000


@pytest.mark.parametrize("path", PAGES)
async def test_the_documentation_may_load_what_it_asks_for(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    policy = dict(part.split(None, 1) for part in answer.headers["Content-Security-Policy"].split(";") if part.strip())
    for tag, address in re.findall(r'<(script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', answer.text):
        kind = {"script": "script-src", "img": "img-src"}.get(tag)
        kind = kind or ("img-src" if address.endswith(("png", "ico")) else "style-src")
        assert f"https://{urlsplit(address).netloc}" in policy[kind].split(), f"{path} may not load {address}"
    assert "'self'" in policy["default-src"]  # for /openapi.json
    assert "'unsafe-inline'" in policy["script-src"]
    assert "/openapi.json" in answer.text


async def test_the_document_is_served(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert TASKS in document["paths"]


async def test_an_allowed_origin_may_read_answers(http: httpx.AsyncClient, ada: Person) -> None:
    answer = await http.get(TASKS, headers={**ada.headers, "Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in answer.headers["Vary"]
    assert {"X-Request-ID", "ETag", "Location", "Retry-After"} <= set(
        answer.headers["Access-Control-Expose-Headers"].split(", ")
    )
    assert "Access-Control-Allow-Credentials" not in answer.headers  # tokens travel in a header, not in cookies


async def test_no_cache_takes_an_answer_without_an_origin_for_everybodys(http: httpx.AsyncClient, ada: Person) -> None:
    answer = await http.get(TASKS, headers=ada.headers)
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


FOREIGN = [
    "http://evil.example",
    "null",
    f"{ORIGIN}.evil.example",
    "https://localhost:3000",
    "http://localhost:3001",
    "*",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_any_other_origin_may_not(http: httpx.AsyncClient, ada: Person, origin: str) -> None:
    for path in (TASKS, "/nope", "/stage/crash"):
        answer = await http.get(path, headers={**ada.headers, "Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
    preflight = await http.options(TASKS, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    assert preflight.status_code == 400
    error = preflight.json()["error"]
    assert (error["code"], error["details"]) == ("bad_request", {"reason": "Disallowed CORS origin"})
    assert error["request_id"] == preflight.headers["X-Request-ID"]
    assert "Access-Control-Allow-Origin" not in preflight.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_allows_what_the_api_offers(http: httpx.AsyncClient, method: str) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type, if-match, x-request-id, x-api-version",
    }
    answer = await http.options(f"{TASKS}/x", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert answer.headers.items() >= SECURITY_HEADERS.items()
    assert "X-Request-ID" in answer.headers


@pytest.mark.parametrize(("method", "header"), [("TRACE", "accept"), ("GET", "x-evil")])
async def test_a_preflight_refuses_what_it_does_not(http: httpx.AsyncClient, method: str, header: str) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": header}
    assert (await http.options(TASKS, headers=headers)).status_code == 400


async def test_head_answers_like_get(http: httpx.AsyncClient, ada: Person) -> None:
    task = (await http.post(TASKS, json={"title": "x"}, headers=ada.headers)).headers["Location"]
    for path, status in [(TASKS, 200), (task, 200), ("/health/live", 200), ("/docs", 200), ("/nope", 404)]:
        head, get = await http.head(path, headers=ada.headers), await http.get(path, headers=ada.headers)
        assert head.status_code == get.status_code == status
        assert head.headers.get("ETag") == get.headers.get("ETag")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
