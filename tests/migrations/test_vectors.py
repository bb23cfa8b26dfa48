"""The table of vectors is there where pgvector is, and comes when pgvector comes."""

import psycopg
import pytest
from psycopg.errors import RaiseException

from api_main.migrations.setup import prepare_database
from tests.migrations.databases import rows, run_prelude
from tests.postgres_servers import Server

VECTORS = "select to_regclass('public.task_embeddings') is not null"
AVAILABLE = """
select exists (
  select from pg_available_extensions where name = 'vector' and string_to_array(default_version, '.')::int[] >= '{0,8}'
)
"""
OWNER = "0a0a0a0a-0000-4000-8000-000000000001"


def prepared(server: Server) -> str:
    url = server.url(server.new_database())
    prepare_database(url, login_password=None)
    return url


def test_the_vectors_are_there_where_pgvector_is(any_server: Server) -> None:
    url = prepared(any_server)
    assert rows(url, VECTORS) == rows(url, AVAILABLE)
    assert rows(url, "select private.create_task_embeddings()") == rows(url, AVAILABLE)


def test_tasks_are_queued_with_pgvector_and_without(any_server: Server) -> None:
    url = prepared(any_server)
    with psycopg.connect(url) as admin:
        admin.execute("insert into auth.users (id) values (%s)", (OWNER,))
        admin.execute("insert into public.tasks (owner_id, title) values (%s, 'x')", (OWNER,))
        admin.execute("update public.tasks set title = 'y', owner_id = owner_id")
    assert rows(url, "select revision from private.tasks_to_embed") == [(2,)]


def test_pgvector_that_comes_later_is_found_by_the_next_migrate(server: Server) -> None:
    url = prepared(server)
    with psycopg.connect(url) as admin:
        admin.execute("insert into auth.users (id) values (%s)", (OWNER,))
        admin.execute("insert into public.tasks (owner_id, title) values (%s, 'x')", (OWNER,))
        admin.execute("drop table public.task_embeddings; drop extension vector; delete from private.tasks_to_embed")
    prepare_database(url, login_password=None)
    assert rows(url, VECTORS) == [(True,)]
    assert rows(url, "select count(*) from private.tasks_to_embed") == [(1,)]


def test_pgvector_in_another_schema_is_a_clear_error(server: Server) -> None:
    url = server.url(server.new_database())
    run_prelude(url)
    with psycopg.connect(url) as admin:
        admin.execute("create extension vector schema public")
    with pytest.raises(Exception, match=r"pgvector [0-9.]+ is installed in the schema public") as refused:
        prepare_database(url, login_password=None)
    assert isinstance(refused.value.__cause__, RaiseException)
    assert "alter extension vector set schema extensions" in (refused.value.__cause__.diag.message_hint or "")
