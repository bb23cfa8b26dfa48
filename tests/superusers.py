"""Who may do everything, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

BY_METADATA = "raw_app_meta_data -> 'is_superuser' = 'true'"


@contextmanager
def only_superuser(admin: psycopg.Connection[Any], person: UUID) -> Iterator[None]:
    """Nobody else is a superuser meanwhile; afterwards, all are again."""
    lose = f"set raw_app_meta_data = raw_app_meta_data - 'is_superuser' where {BY_METADATA} and id <> %s"
    with admin.transaction():
        demote = "update public.profiles set is_superuser = false where is_superuser and id <> %s returning id"
        by_profile = [row[0] for row in admin.execute(demote, (person,))]
        by_metadata = [row[0] for row in admin.execute(f"update auth.users {lose} returning id".encode(), (person,))]
    try:
        yield
    finally:
        admin.execute("update public.profiles set is_superuser = true where id = any (%s)", (by_profile,))
        gain = "update auth.users set raw_app_meta_data = raw_app_meta_data || '{\"is_superuser\": true}'"
        admin.execute(f"{gain} where id = any (%s)".encode(), (by_metadata,))
