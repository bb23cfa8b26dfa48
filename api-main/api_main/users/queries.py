"""Reads of accounts: profiles, which Row Level Security shows to superusers, and what `auth.users` knows besides."""

from typing import LiteralString
from uuid import UUID

from api_main.core.pagination import Cursor
from api_main.core.prelude import Query
from api_main.users.schemas import UserFilter, UserListQuery

OF_PROFILE: LiteralString = "p.id, p.email, p.username, p.full_name, p.locale, p.is_active"
OF_ACCOUNT: LiteralString = (
    "coalesce(f.is_superuser, false) as is_superuser, coalesce(f.is_anonymous, false) as is_anonymous,"
    " f.email_confirmed_at, f.last_sign_in_at, f.banned_until, f.deleted_at"
)
SHOWN: LiteralString = f"{OF_PROFILE}, {OF_ACCOUNT}, p.created_at, p.updated_at"
FACTS: LiteralString = "left join lateral private.account_facts(p.id) f on true"

# What each order of the list compares, and its type: each has an index.
KEYS: dict[str, tuple[LiteralString, LiteralString]] = {
    "created": ("created_at", "timestamptz"),
    "email": ("coalesce(email, '')", "text"),
    "name": ("lower(coalesce(full_name, ''))", "text"),
}
MATCHES: LiteralString = (
    "(email ilike $1 escape '\\' or username ilike $1 escape '\\' or full_name ilike $1 escape '\\')"
)


def one(user_id: UUID) -> Query:
    """One row: the account as JSON."""
    return Query(
        f"select row_to_json(u) from (select {SHOWN} from public.profiles p {FACTS} where p.id = $1) u", (str(user_id),)
    )


def several(ids: str) -> Query:
    """One row per account of this array, in its order."""
    return Query(
        f"select row_to_json(u) from (select {SHOWN} from unnest($1::uuid[]) with ordinality w (id, place)"
        f" join public.profiles p using (id) {FACTS} order by w.place) u",
        (ids,),
    )


def page(wanted: UserListQuery) -> Query:
    """One row per account, and one more if there is a next page: the account as JSON, its key in this order, its id."""
    name, descending = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    key, key_type = KEYS[name]
    where, parameters = _matching(wanted)
    if wanted.cursor is not None:
        cursor = Cursor.parse(wanted.cursor, wanted.sort)
        comparison: LiteralString = "<" if descending else ">"
        after = (f"${len(parameters) + 1}", f"${len(parameters) + 2}")
        where = [*where, f"({key}, id) {comparison} ({after[0]}::{key_type}, {after[1]}::uuid)"]
        parameters = [*parameters, cursor.key, str(cursor.id)]
    order: LiteralString = f"{key} desc, id desc" if descending else f"{key}, id"
    found: LiteralString = f"select *, {key} as key from public.profiles {_where(where)} order by {order}"
    return Query(
        f"select (select row_to_json(u) from (select {SHOWN}) u), p.key, p.id"
        f" from ({found} limit {wanted.limit + 1}) p {FACTS} order by p.key {'desc' if descending else 'asc'}, p.id"
        f" {'desc' if descending else 'asc'}",
        tuple(parameters),
    )


def total(wanted: UserFilter) -> Query:
    """One row: how many accounts match in all."""
    where, parameters = _matching(wanted)
    return Query(f"select count(*) from public.profiles {_where(where)}", tuple(parameters))


def _matching(wanted: UserFilter) -> tuple[list[LiteralString], list[str]]:
    parts, parameters = list[LiteralString](), list[str]()
    if wanted.search is not None:
        parameters.append(f"%{_literal(wanted.search)}%")
        parts.append(MATCHES)
    if wanted.is_active is not None:
        parts.append("is_active" if wanted.is_active else "not is_active")
    if wanted.is_superuser is not None:
        parts.append(f"id {'' if wanted.is_superuser else 'not '}in (select private.superusers())")
    if wanted.created_after is not None:
        parameters.append(wanted.created_after.isoformat())
        parts.append(f"created_at >= ${len(parameters)}::timestamptz")
    if wanted.created_before is not None:
        parameters.append(wanted.created_before.isoformat())
        parts.append(f"created_at < ${len(parameters)}::timestamptz")
    return parts, parameters


def _where(parts: list[LiteralString]) -> LiteralString:
    return "where " + " and ".join(parts) if parts else ""


def _literal(words: str) -> str:
    """Words in which `like` sees no wildcard."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
