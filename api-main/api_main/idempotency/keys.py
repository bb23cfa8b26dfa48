"""A key, and what is derived from it: nothing that is stored can be read without it."""

import hmac
import json
import re
import secrets
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.responses import Response

from api_main.idempotency.errors import InvalidIdempotencyKey

MAX_LENGTH = 255
NONCE_BYTES = 12
# As a string of RFC 8941, which the draft wants, or bare, which most clients send. A comma would be two headers.
QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
BARE = re.compile(r"[!#-+\--\[\]-~]+")


class Key:
    """A key as it counts for one caller and one path."""

    def __init__(self, secret: str, *scope: str) -> None:
        """`scope` is where the key counts; what is derived from it differs elsewhere."""
        self._secret = secret.encode()
        self._scope = "\0".join(scope).encode()
        self.digest = self._derive(b"key")

    def request_digest(self, *parts: bytes) -> bytes:
        return self._derive(b"request", *parts)

    def seal(self, response: Response) -> bytes:
        """Status, headers and body, encrypted and authenticated under the key."""
        head = json.dumps([response.status_code, response.headers.items()])
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, head.encode() + b"\n" + bytes(response.body), self.digest)

    def open(self, sealed: bytes) -> Response:
        """The response as it was.

        Raises:
            cryptography.exceptions.InvalidTag: somebody has changed it.
        """
        opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self.digest)
        head, _, body = opened.partition(b"\n")
        status, headers = json.loads(head)
        return Response(body, status, dict(headers))

    @property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._derive(b"answer"))

    def _derive(self, purpose: bytes, *parts: bytes) -> bytes:
        derived = hmac.new(self._secret, digestmod="sha256")
        for part in (purpose, self._scope, *parts):
            derived.update(b"%d:" % len(part))
            derived.update(part)
        return derived.digest()


def parse(values: Sequence[str]) -> str | None:
    """The key out of a request's headers of this name; None without one.

    Raises:
        InvalidIdempotencyKey
    """
    if not values:
        return None
    text = values[0].strip()
    found = QUOTED.fullmatch(text) or BARE.fullmatch(text)
    if len(values) > 1 or found is None:
        raise InvalidIdempotencyKey
    key = re.sub(r"\\(.)", r"\1", found[1]) if text.startswith('"') else text
    if len(key) > MAX_LENGTH:
        raise InvalidIdempotencyKey
    return key
