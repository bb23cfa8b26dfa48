"""Passwords: bcrypt, off the event loop, on no more threads than there are cores.

Hashes are those of Supabase Auth, so accounts can move there as they are.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TypeVar

import anyio
import anyio.to_thread
import bcrypt

from api_main.auth.errors import PasswordTooLong, WeakPassword
from api_main.core.i18n import plural
from api_main.core.settings import Settings

T = TypeVar("T")

BCRYPT_HASH = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")

COST = 12
MAX_BYTES = 72  # bcrypt reads no further; longer ones are refused, never cut

# Compared when there is no account, so that an unknown e-mail takes as long as a wrong password. No password has it.
NOBODYS_HASH = bcrypt.gensalt(COST).decode() + "." * 31


async def hash_password(password: str) -> str:
    """A bcrypt hash in the `$2b$` form (60 characters)."""
    hashed = await _in_thread(bcrypt.hashpw, password.encode(), bcrypt.gensalt(COST))
    return hashed.decode()


async def verify_password(password: str, hashed: str | None) -> bool:
    """Whether the password has this hash. Without a hash of ours it takes as long, and is false."""
    secret = password.encode()
    if len(secret) > MAX_BYTES:
        secret, hashed = b"", None
    if hashed and not BCRYPT_HASH.fullmatch(hashed):  # Supabase Auth takes over other kinds, such as Argon2
        hashed = None
    matches = await _in_thread(bcrypt.checkpw, secret, (hashed or NOBODYS_HASH).encode())
    return matches and bool(hashed)


async def checked_hash(password: str | None, settings: Settings) -> str | None:
    """The hash of a password that an administrator sets, if one is set.

    Raises:
        WeakPassword
    """
    if password is None:
        return None
    await check_strength(password, minimum=settings.password_min_length)
    return await hash_password(password)


async def hash_all(passwords: Sequence[str | None], done: Callable[[int], Awaitable[None]]) -> list[str | None]:
    """The hashes of many passwords, on all cores; `done` is told how many there are so far.

    As many at a time as there are cores: somebody who signs in meanwhile waits for one of them, not for all.
    """
    hashes = list[str | None]()
    step = os.cpu_count() or 1
    for start in range(0, len(passwords), step):
        hashes += await asyncio.gather(*(_hash_if_any(password) for password in passwords[start : start + step]))
        await done(len(hashes))
    return hashes


async def _hash_if_any(password: str | None) -> str | None:
    return None if password is None else await hash_password(password)


async def check_strength(password: str, *, minimum: int, field: str = "password") -> None:
    """Refuse what people guess first.

    Raises:
        WeakPassword: too short, too long for bcrypt, or among the 30,000 commonest.
    """
    if len(password) < minimum:
        sentence = plural(
            "The password must have at least {n} character.", "The password must have at least {n} characters.", minimum
        )
        raise WeakPassword(sentence, field=field, details=["length"])
    if len(password.encode()) > MAX_BYTES:
        raise PasswordTooLong(field=field, details=["length"])
    if password.lower() in await anyio.to_thread.run_sync(_commonest):
        raise WeakPassword("This is one of the commonest passwords.", field=field, details=["pwned"])


@cache
def _commonest() -> frozenset[str]:
    """Read for the first password, in a thread, for it takes a while.

    As a file of its own: the package would rank this list and others, and keep all of them for ever, which is 16 MB.
    """
    package = find_spec("zxcvbn")
    lists = package and PathFinder.find_spec("frequency_lists", package.submodule_search_locations)
    assert lists is not None and lists.loader is not None  # noqa: PT018 - for mypy
    module = module_from_spec(lists)
    lists.loader.exec_module(module)
    return frozenset(module.FREQUENCY_LISTS["passwords"])


@cache
def _limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(os.cpu_count() or 1)


async def _in_thread(function: Callable[[bytes, bytes], T], secret: bytes, salt: bytes) -> T:
    return await anyio.to_thread.run_sync(function, secret, salt, limiter=_limiter())
