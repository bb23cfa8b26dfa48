"""Reads of the audit log. Row Level Security shows it to superusers alone."""

from typing import Any, LiteralString

from api_main.audit.schemas import EntryQuery
from api_main.core.pagination import Cursor
from api_main.core.prelude import Query

PERSON: LiteralString = (
    "case when l.{0}_id is not null then"
    " json_build_object('id', l.{0}_id, 'email', (select email from public.profiles where id = l.{0}_id)) end as {0}"
)
SHOWN: LiteralString = (
    "l.id, l.happened_at, l.action,"
    f" {PERSON.format('actor')}, l.actor_role, l.token_id, {PERSON.format('subject')}, l.details, l.request_id"
)


def page(wanted: EntryQuery) -> Query:
    """One row per entry, and one more if there is a next page: the entry as JSON, when it was, its id."""
    filters: dict[LiteralString, Any] = {
        "action = any (?::text[])": "{" + ",".join(wanted.action) + "}" if wanted.action else None,
        "actor_id = ?::uuid": wanted.actor,
        "subject_id = ?::uuid": wanted.subject,
        "request_id = ?": wanted.request_id,
        "happened_at >= ?::timestamptz": wanted.after,
        "happened_at < ?::timestamptz": wanted.before,
    }
    given = {condition: str(value) for condition, value in filters.items() if value is not None}
    parts: list[LiteralString] = ["true", *given]
    parameters = list(given.values())
    direction: LiteralString = "desc" if wanted.sort.startswith("-") else "asc"
    if wanted.cursor is not None:
        cursor = Cursor.parse(wanted.cursor, wanted.sort)
        comparison: LiteralString = "<" if direction == "desc" else ">"
        parts.append(f"(happened_at, id) {comparison} (?::timestamptz, ?::uuid)")
        parameters += [cursor.key, str(cursor.id)]
    where: LiteralString = " and ".join(parts)
    for number in range(1, len(parameters) + 1):
        where = where.replace("?", f"${number}", 1)
    order: LiteralString = f"order by happened_at {direction}, id {direction}"
    found: LiteralString = f"select * from private.audit_log where {where} {order} limit {wanted.limit + 1}"
    return Query(
        f"select (select row_to_json(e) from (select {SHOWN}) e), l.happened_at, l.id from ({found}) l {order}",
        tuple(parameters),
    )
