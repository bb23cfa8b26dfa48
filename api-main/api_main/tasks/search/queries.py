"""Searches as SQL, in which Postgres ranks, fuses and builds the JSON. Whose tasks these are is the policies' business.

Fusion is by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009). Nearness is pgvector's cosine distance
(https://github.com/pgvector/pgvector#filtering): an exact scan where few tasks come into question, else its index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from api_main.core.pagination import Cursor
from api_main.core.prelude import Query
from api_main.tasks.queries import COLUMNS, Conditions, add_filters
from api_main.tasks.search.schemas import SearchMode, SimilarQuery, TaskSearchQuery

BY_RANK = "rank"
"""The order of a search by words alone, whichever mode asked for it."""

# Up to so many tasks are compared one by one, which misses none. Above, the index is asked, which goes through tasks of
# everybody. Among a million tasks the two take the same time here (tests/benchmarks/recall.py).
FEW: LiteralString = "20000"
DEPTH: LiteralString = "100"  # how many of the nearest a search ranks
RRF: LiteralString = "60"  # the constant of the paper
# Beyond it, what is nearest has nothing to do with the question: unrelated sentences are at 0.8 to 1.
FARTHEST: LiteralString = "0.7"

# Planned for this one transaction. The index reads on until enough rows have passed the policies and the filters. The
# planner does not know how many tasks the caller has: without sorting, it can only walk the index.
SETTINGS = Query(
    "select set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '200', true),"
    " set_config('hnsw.max_scan_tuples', '200000', true), set_config('enable_sort', 'off', true),"
    " set_config('jit', 'off', true)"
)
HAS_VECTORS = Query("select to_regclass('public.task_embeddings') is not null")

HIGHLIGHTS: LiteralString = (
    "json_build_object('title', private.highlight(title, query, true),"
    " 'description', private.highlight(description, query, false)) as highlights"
)


@dataclass(frozen=True, slots=True)
class QueryVector:
    """What somebody is looking for, as a vector in pgvector's text form; and whose vectors it can be compared with."""

    model: str
    version: str
    literal: str


@dataclass(frozen=True, slots=True)
class _Point:
    """SQL for the vector to be near to, and for the model whose vectors count."""

    vector: LiteralString
    model: LiteralString
    version: LiteralString


def by_words(wanted: TaskSearchQuery) -> Query:
    """One row per match, and one more if there is a next page: the task with rank and highlights, its key, its id."""
    conditions = Conditions([], [wanted.q])
    conditions.add("search @@ query")
    add_filters(conditions, wanted)
    if wanted.cursor is not None:
        cursor = Cursor.parse(wanted.cursor, BY_RANK)
        conditions.add("(ts_rank(search, query), id) < (?::float4, ?::uuid)", cursor.key, str(cursor.id))
    return Query(
        f"select row_to_json(t), rank, id from (select {COLUMNS}, rank, {HIGHLIGHTS}"
        " from (select *, ts_rank(search, query) as rank from public.tasks,"
        f" private.prefix_query($1) as query {conditions.where}"
        f" order by rank desc, id desc limit {wanted.limit + 1}) m) t",
        tuple(conditions.parameters),
    )


def by_meaning(wanted: TaskSearchQuery, vector: QueryVector) -> Query:
    """As `by_words`, for the modes that need a vector.

    The key is the rank and the moment of the first page: tasks made later would move the ranks of all others.
    """
    conditions = Conditions([], [wanted.q, vector.literal, vector.model, vector.version])
    add_filters(conditions, wanted)
    keyset: LiteralString = ""
    moment: LiteralString = "now()"
    if wanted.cursor is not None:
        cursor = Cursor.parse(wanted.cursor, wanted.mode)
        rank, _, first = cursor.key.partition(" ")
        conditions.parameters += [rank, str(cursor.id)]
        keyset = f"where (rank, id) < (${_last(conditions, 2)}::float8, ${_last(conditions, 1)}::uuid)"
        conditions.add("created_at <= ?::timestamptz", first)
        moment = f"${_last(conditions, 1)}::timestamptz"
    point = _Point("$2::extensions.vector", "$3", "$4")
    return Query(
        f"with {_nearest(point, conditions)}, {_ranked(wanted.mode, conditions)}"
        f" select row_to_json(t), rank || ' ' || {moment}, id from (select {COLUMNS}, rank, {HIGHLIGHTS}"
        " from (select t.*, rank from ranked join public.tasks t using (id)"
        f" {keyset} order by rank desc, id desc limit {wanted.limit + 1}) m,"
        " private.prefix_query($1) as query) t order by rank desc, id desc",
        tuple(conditions.parameters),
    )


def has_vector(task_id: UUID) -> Query:
    """One row, if there is such a task: whether it is embedded."""
    return Query(
        "select exists (select from public.task_embeddings where task_id = $1) from public.tasks where id = $1",
        (str(task_id),),
    )


def similar(task_id: UUID, wanted: SimilarQuery) -> Query:
    """One row per task, nearest first: the task with its similarity."""
    conditions = Conditions([], [str(task_id), str(wanted.min_similarity)])
    conditions.add("id <> $1::uuid")
    add_filters(conditions, wanted)
    point = _Point("(select embedding from this)", "(select model from this)", "(select model_version from this)")
    return Query(
        "with this as materialized (select embedding, model, model_version from public.task_embeddings"
        f" where task_id = $1::uuid), {_nearest(point, conditions)}"
        f" select row_to_json(t) from (select {COLUMNS}, 1 - distance as similarity"
        " from nearest join public.tasks using (id) where 1 - distance >= $2::float8"
        f" order by distance, id limit {wanted.limit}) t",
        tuple(conditions.parameters),
    )


def _nearest(point: _Point, conditions: Conditions) -> LiteralString:
    """CTEs, the last of them `nearest(id, distance)`: at most so many as a search ranks.

    A condition without a column decides before anything is read which of the two ways is taken. What comes out of the
    index is only nearly in order: `+ 0` has it sorted.
    """
    distance: LiteralString = f"embedding operator(extensions.<=>) {point.vector}"
    comparable: LiteralString = f"model = {point.model} and model_version = {point.version}"
    filters: LiteralString = "".join(f" and {condition}" for condition in conditions.parts)
    return (
        "eligible as materialized (select count(*) as tasks from"
        f" (select from public.tasks where true{filters} limit {FEW} + 1) counted),"
        f" few as materialized (select id, {distance} as distance"
        " from public.tasks join public.task_embeddings on task_id = id"
        f" where (select tasks from eligible) <= {FEW} and {comparable}{filters}),"
        f" many as materialized (select id, {distance} as distance"
        " from public.task_embeddings join public.tasks on id = task_id"
        f" where (select tasks from eligible) > {FEW} and {comparable}{filters} order by {distance} limit {DEPTH}),"
        " nearest as (select id, distance from (select * from few union all select * from many) found"
        f" order by distance + 0, id limit {DEPTH})"
    )


def _ranked(mode: SearchMode, conditions: Conditions) -> LiteralString:
    """The CTE `ranked(id, rank)`, and what it needs."""
    if mode is SearchMode.SEMANTIC:
        return "ranked as (select id, 1 - distance as rank from nearest)"
    filters: LiteralString = "".join(f" and {condition}" for condition in conditions.parts)
    return (
        "matching as (select id, row_number() over (order by ts_rank(search, query) desc, id desc) as place"
        f" from public.tasks, private.prefix_query($1) as query where search @@ query{filters}),"
        " near as (select id, row_number() over (order by distance, id) as place from nearest"
        f" where distance <= {FARTHEST}),"
        f" ranked as (select id, sum(1.0::float8 / ({RRF} + place)) as rank"
        " from (select * from matching union all select * from near) found group by id)"
    )


def _last(conditions: Conditions, back: int) -> LiteralString:
    """The number of a parameter, counted from the end."""
    number: LiteralString = f"{len(conditions.parameters) + 1 - back}"
    return number


def vector_literal(values: Sequence[float]) -> str:
    """Pgvector's text form. Nine digits tell every float32 from every other."""
    return "[" + ",".join(f"{value:.9g}" for value in values) + "]"
