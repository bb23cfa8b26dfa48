"""Rules for the whole schema, those of Supabase's lints that its command line lacks (0026 to 0029) among them.

https://supabase.com/docs/guides/database/database-advisors
"""

from typing import Any

import psycopg
import pytest

# Functions that a role may run in the schema `private`, all of them meant.
INTENDED = {
    "anon": {"use_api_token"},
    "authenticated": {"is_superuser", "session_is_live", "prefix_query", "highlight", "enqueue_job", "cancel_job"}
    | {"claim_idempotency_key"}
    | {"join_presence", "leave_presence", "present_in"}
    | {"require_superuser", "account_facts", "superusers", "change_profile", "is_last_superuser", "note_administration"}
    | {"all_numbers"},
    "auth_admin": {"may_sign_in", "claim_sign_up_key", "keep_sign_up"},
    "embedder": set(),
    "job_worker": {"may_sign_in", "tidy_jobs", "sweep_idempotency_keys"}
    | {"live_heads", "sweep_live_events", "keep_presences"}
    | {"keep_audit_log", "add_up_task_counts"},
    "service_role": {"prefix_query", "highlight", "account_is_superuser"},
}

# Each finds what must not exist.
FORBIDDEN = {
    "a table in public without row level security": """
      select relname from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity
    """,
    "a policy for everybody": "select tablename, policyname from pg_policies where 'public' = any (roles)",
    "a policy for more than one verb": "select tablename, policyname from pg_policies where cmd = 'ALL'",
    "a policy that asks who is calling row by row": """
      select tablename, policyname from pg_policies
      where concat(qual, with_check) ~ 'auth\\.(uid|jwt|role|email)\\(\\)'
        and regexp_replace(concat(qual, with_check), 'SELECT (auth|private)\\.[a-z_]+\\(\\)', '', 'g')
            ~ '(auth|private)\\.[a-z_]+\\(\\)'
    """,
    "a definer function that trusts the search path": """
      select oid::regprocedure::text from pg_proc
      where prosecdef and pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        and not coalesce('search_path=""' = any (proconfig), false)
    """,
    "a function of ours that trusts the search path": """
      select oid::regprocedure::text from pg_proc
      where pronamespace in ('public'::regnamespace, 'private'::regnamespace)
        and not coalesce('search_path=""' = any (proconfig), false)
        and not exists (select from pg_depend d where d.objid = pg_proc.oid and d.deptype = 'e')
    """,
    "0026, 0027: a view that an API role reads with its owner's rights": """
      select c.relname, r.rolname from pg_class c, pg_roles r
      where c.relnamespace = 'public'::regnamespace and r.rolname in ('anon', 'authenticated')
        and has_table_privilege(r.oid, c.oid, 'select')
        and (c.relkind in ('m', 'f')
          or c.relkind = 'v' and not coalesce('security_invoker=true' = any (c.reloptions), false))
    """,
    "0026: a table that GraphQL shows to anybody": """
      select relname from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
        and has_any_column_privilege('anon', oid, 'select, insert, update, references')
    """,
    "0028, 0029: a definer function that RPC offers": """
      select p.oid::regprocedure::text, r.rolname from pg_proc p, pg_roles r
      where p.prosecdef and p.pronamespace = 'public'::regnamespace and r.rolname in ('anon', 'authenticated')
        and has_function_privilege(r.oid, p.oid, 'execute')
    """,
    "a function in private that everybody may run": """
      select p.oid::regprocedure::text
      from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where p.pronamespace = 'private'::regnamespace and a.grantee = 0
    """,
    "something that the API's roles own": """
      select c.oid::regclass::text from pg_class c join pg_roles r on r.oid = c.relowner
      where r.rolname in ('api_main', 'anon', 'authenticated', 'auth_admin', 'embedder', 'job_worker', 'service_role')
    """,
    "a role of the API with powers over the server": """
      select rolname from pg_roles
      where rolname in ('api_main', 'anon', 'authenticated', 'auth_admin', 'embedder', 'job_worker')
        and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or rolinherit)
    """,
    "a role of requests that may log in": """
      select rolname from pg_roles
      where rolname in ('anon', 'authenticated', 'auth_admin', 'embedder', 'job_worker', 'service_role') and rolcanlogin
    """,
    "a schema in which an API role may create": """
      select nspname, rolname from pg_namespace, pg_roles
      where rolname in ('api_main', 'anon', 'authenticated', 'auth_admin', 'embedder', 'job_worker')
        and nspname !~ '^pg_(toast_)?temp'
        and has_schema_privilege(rolname, pg_namespace.oid, 'create')
    """,
    "a right that new objects bring along": """
      select defaclnamespace::regnamespace::text, a.grantee::regrole::text from pg_default_acl, aclexplode(defaclacl) a
      where a.grantee in ('anon'::regrole, 'authenticated'::regrole, 'api_main'::regrole)
    """,
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_there_is_no_such_thing_as(admin: psycopg.Connection[Any], what: str) -> None:
    assert admin.execute(FORBIDDEN[what].encode()).fetchall() == []


@pytest.mark.parametrize("role", INTENDED)
def test_a_role_may_run_exactly_the_private_functions_that_are_meant_for_it(
    admin: psycopg.Connection[Any], role: str
) -> None:
    runnable = admin.execute(
        """select proname from pg_proc
        where pronamespace = 'private'::regnamespace and has_function_privilege(%s, oid, 'execute')""",
        (role,),
    )
    assert {name for (name,) in runnable} == INTENDED[role]


def test_every_table_with_grants_has_a_policy_for_each_verb_that_is_granted(admin: psycopg.Connection[Any]) -> None:
    """Without one the verb silently reaches nothing."""
    missing = admin.execute("""
      select c.relname, verb from pg_class c, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) verb
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and case verb when 'DELETE' then has_table_privilege('authenticated', c.oid, verb)
                      else has_any_column_privilege('authenticated', c.oid, verb) end
        and not exists (select from pg_policies where tablename = c.relname and cmd = verb)
    """)
    assert missing.fetchall() == []


def test_the_lints_are_able_to_fail(admin: psycopg.Connection[Any]) -> None:
    """A schema in which everything is as it must not be."""
    with admin.transaction(force_rollback=True):
        admin.execute("""
          create table public.careless (id int);
          grant select on public.careless to anon;
          create view public.open as select * from public.tasks;
          grant select on public.open to authenticated;
          create policy everybody on public.careless using (id is not null and auth.uid() is not null);
          create function public.helpful() returns int language sql security definer as 'select 1';
          create function private.loose() returns int language sql as 'select 1';
          alter role anon login createdb inherit;
          grant create on schema public to anon;
          alter table public.careless owner to anon;
          alter default privileges in schema public grant select on tables to anon;
        """)
        found = {what for what, statement in FORBIDDEN.items() if admin.execute(statement.encode()).fetchall()}
    assert found == set(FORBIDDEN)
