"""Passwords that wait for a worker, so that nobody can read them in the table of jobs, or in a copy of it.

The key comes from the password with which the API and its workers log in to the database: they share it, and the
database itself does not know it, only a verifier.
"""

import secrets
from functools import partial
from hashlib import scrypt

import anyio.to_thread
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.conninfo import conninfo_to_dict

from api_main.core.settings import Settings
from api_main.users.errors import SealingUnavailable

SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
PURPOSE = b"api_main users.create"  # authenticated beside the content


class SealBrokenError(Exception):
    """It was not sealed with this key, or has been changed since."""


async def seal(content: bytes, settings: Settings) -> bytes:
    """Encrypt and authenticate (AES-256-GCM).

    Raises:
        SealingUnavailable: there is no password to make the key from.
    """
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    cipher = AESGCM(await _key(salt, settings))
    return salt + nonce + cipher.encrypt(nonce, content, PURPOSE)


async def unseal(sealed: bytes, settings: Settings) -> bytes:
    """Raises: SealBrokenError."""
    salt, nonce = sealed[:SALT_BYTES], sealed[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
    try:
        cipher = AESGCM(await _key(salt, settings))
        return cipher.decrypt(nonce, sealed[SALT_BYTES + NONCE_BYTES :], PURPOSE)
    except (InvalidTag, SealingUnavailable, ValueError):
        raise SealBrokenError from None


async def _key(salt: bytes, settings: Settings) -> bytes:
    password = conninfo_to_dict(settings.database_url).get("password")
    if not password:
        raise SealingUnavailable
    derive = partial(scrypt, str(password).encode(), salt=salt, n=2**14, r=8, p=1, dklen=KEY_BYTES)
    return await anyio.to_thread.run_sync(derive)
