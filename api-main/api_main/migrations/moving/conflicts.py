"""Accounts that cannot be copied, because something of theirs belongs to another account of the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection


@dataclass(frozen=True)
class Conflict:
    """One account of the source, and the account of the target that has what it would need."""

    account: UUID
    what: str
    value: str
    holder: UUID

    def __str__(self) -> str:
        return f"{self.account}: the {self.what} {self.value} belongs to {self.holder} on the target"


@dataclass(frozen=True)
class UniqueThing:
    """Something that only one account may have. Both queries give the account, the value, and what to look up."""

    what: str
    of_accounts: LiteralString
    holders: LiteralString


UNIQUE = (
    UniqueThing(
        "e-mail",
        "select id, lower(email), lower(email) from auth.users where id = any(%s) and email <> '' and not is_sso_user",
        # Each half has an index; accounts made by Supabase Auth have this instance and an e-mail in lower case.
        """
        select id, lower(email) from auth.users where email = any(%(values)s) and not is_sso_user
        union select id, lower(email) from auth.users
        where instance_id = '00000000-0000-0000-0000-000000000000' and lower(email) = any(%(values)s)
          and not is_sso_user
        """,
    ),
    UniqueThing(
        "phone",
        "select id, phone, phone from auth.users where id = any(%s) and phone <> ''",
        "select id, phone from auth.users where phone = any(%(values)s)",
    ),
    UniqueThing(
        "identity",
        "select user_id, provider || ' ' || provider_id, provider_id from auth.identities where user_id = any(%s)",
        "select user_id, provider || ' ' || provider_id from auth.identities where provider_id = any(%(values)s)",
    ),
    UniqueThing(
        "user name",
        "select id, username, username from public.profiles where id = any(%s) and username is not null",
        "select id, username from public.profiles where username = any(%(values)s)",
    ),
)


def find_conflicts(source: Connection[Any], target: Connection[Any], accounts: Sequence[UUID]) -> list[Conflict]:
    """What stands in the way of these accounts of the source."""
    return [conflict for thing in UNIQUE for conflict in _conflicts(source, target, thing, accounts)]


def _conflicts(
    source: Connection[Any], target: Connection[Any], thing: UniqueThing, accounts: Sequence[UUID]
) -> list[Conflict]:
    wanted = source.execute(thing.of_accounts, [list(accounts)]).fetchall()
    values = [looked_up for _, _, looked_up in wanted]
    holders = target.execute(thing.holders, {"values": values}).fetchall()
    held = {value: holder for holder, value in holders}
    return [
        Conflict(account, thing.what, value, held[value])
        for account, value, _ in wanted
        if held.get(value, account) != account
    ]
