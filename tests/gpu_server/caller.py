"""Those who call: httpx and tritonclient, each request with a token of its own."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx
from tritonclient.http import InferenceServerClient

from service_wire.service_token import ServiceTokenIssuer, subject_of
from tests.patience import PATIENCE


class TokenPerRequest(httpx.Auth):
    """Signs each request for itself."""

    def __init__(self, key: Mapping[str, Any]) -> None:
        self.issuer = ServiceTokenIssuer(key)

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        subject = subject_of(request.method, request.url.raw_path.decode())
        request.headers["Authorization"] = f"Bearer {self.issuer.issue(subject)}"
        yield request


class Caller(httpx.Client):
    """Calls api-gpu as api-main does."""

    def __init__(self, url: str, key: Mapping[str, Any]) -> None:
        self.issuer = ServiceTokenIssuer(key)
        super().__init__(
            base_url=url, auth=TokenPerRequest(key), timeout=PATIENCE, headers={"Accept-Encoding": "identity"}
        )

    def infer(self, model: str, /, **members: Any) -> httpx.Response:
        return self.post(f"/v2/models/{model}/infer", json=members)


class Triton(InferenceServerClient):  # type: ignore[misc]
    """NVIDIA's client as it is, but for the token."""

    def __init__(self, url: str, key: Mapping[str, Any]) -> None:
        super().__init__(url.removeprefix("http://"), network_timeout=PATIENCE)
        self.issuer = ServiceTokenIssuer(key)

    def _get(self, request_uri: str, headers: Any, query_params: Any) -> Any:
        return super()._get(request_uri, self._signed("GET", request_uri, headers), query_params)

    def _post(self, request_uri: str, request_body: Any, headers: Any, query_params: Any) -> Any:
        return super()._post(request_uri, request_body, self._signed("POST", request_uri, headers), query_params)

    def _signed(self, method: str, request_uri: str, headers: dict[str, str] | None) -> dict[str, str]:
        token = self.issuer.issue(subject_of(method, f"/{request_uri}"))
        return {**(headers or {}), "Authorization": f"Bearer {token}"}

    def __enter__(self) -> Self:
        return self
