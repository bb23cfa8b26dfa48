-- Rules for everything that is ours, whatever is added later.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

create temporary view ours as
select oid, nspname from pg_namespace where nspname in ('public', 'private', 'admin');
create temporary view our_functions as
select p.oid, p.proname, p.prosecdef, p.proconfig, p.proacl, p.proowner, o.nspname
from pg_proc p join ours o on o.oid = p.pronamespace
where not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e');
create temporary view our_relations as
select c.oid, c.relname, c.relkind, c.relrowsecurity, o.nspname
from pg_class c join ours o on o.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e');

select plan(20);

-- Everything explains itself in the table editor
select is_empty(
  $$select oid::regclass from our_relations where obj_description(oid, 'pg_class') is null$$,
  'Every table and view has a comment');
select is_empty(
  $$select r.oid::regclass, a.attname from our_relations r join pg_attribute a on a.attrelid = r.oid
    where a.attnum > 0 and not a.attisdropped and col_description(r.oid, a.attnum) is null$$,
  'Every column has a comment');
select is_empty(
  $$select polname from pg_policy p join our_relations r on r.oid = p.polrelid
    where obj_description(p.oid, 'pg_policy') is null$$,
  'Every policy has a comment');
select is_empty(
  $$select oid::regprocedure from our_functions where obj_description(oid, 'pg_proc') is null$$,
  'Every function has a comment');
select is_empty(
  $$select oid::regtype from pg_type where typtype = 'e' and typnamespace in (select oid from ours)
    and obj_description(oid, 'pg_type') is null$$,
  'Every type has a comment');
select is_empty(
  $$select tgname from pg_trigger t join our_relations r on r.oid = t.tgrelid
    where not tgisinternal and obj_description(t.oid, 'pg_trigger') is null$$,
  'Every trigger has a comment');
select is_empty(
  $$select nspname from ours where nspname <> 'public' and obj_description(oid, 'pg_namespace') is null$$,
  'Every schema has a comment');

-- Row Level Security
select is_empty(
  $$select oid::regclass from our_relations where relkind in ('r', 'p') and not relrowsecurity$$,
  'Every table has Row Level Security');
select policies_are('public', 'tasks', array[
  'An owner sees their tasks', 'A person creates tasks of their own',
  'An owner changes their tasks, and stays the owner', 'An owner deletes their tasks',
  'The embedder reads the words of tasks'
]);
select policies_are('private', 'tasks_to_embed', array[
  'The embedder sees the queue', 'The embedder queues what an older model embedded', 'The embedder claims tasks',
  'The embedder takes out what is embedded'
]);
select case
  when to_regclass('public.task_embeddings') is null then skip('pgvector is missing', 1)
  else policies_are('public', 'task_embeddings', array[
    'An owner compares their tasks', 'The embedder sees the vectors', 'The embedder adds vectors',
    'The embedder replaces vectors'
  ])
end;
select policies_are('public', 'profiles', array[
  'A person sees their own profile; a superuser sees all', 'A person changes their own profile'
]);
select policies_are('private', 'audit_log', array['A superuser reads the audit log']);
select policies_are('public', 'api_tokens', array[
  'An owner sees their tokens', 'A person makes tokens of their own', 'An owner revokes their tokens'
]);
select is_empty(
  $$select tablename, policyname from pg_policies
    where schemaname in ('public', 'private') and (cmd = 'ALL' or 'public' = any (roles))$$,
  'A policy is for one verb and for named roles');

-- Functions
select is_empty(
  $$select oid::regprocedure from our_functions where not coalesce('search_path=""' = any (proconfig), false)$$,
  'No function trusts the search path');
select is_empty(
  $$select f.oid::regprocedure from our_functions f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
    where a.grantee = 0$$,
  'No function is everybody''s');
select set_eq(
  $$select f.proname, r.rolname from our_functions f, pg_roles r
    where r.rolname in ('anon', 'authenticated', 'embedder', 'service_role') and f.proname in (
      'is_superuser', 'account_is_superuser', 'may_sign_in', 'session_is_live', 'keep_profile', 'touch_updated_at',
      'touch_task', 'prefix_query', 'highlight', 'custom_access_token_hook', 'use_api_token', 'queue_new_tasks',
      'queue_changed_task', 'create_task_embeddings', 'leave_a_superuser', 'guard_superusers', 'require_superuser',
      'account_facts', 'superusers', 'change_profile', 'is_last_superuser', 'note_administration', 'all_numbers',
      'count_tasks', 'due_on', 'add_up_task_counts', 'keep_audit_log', 'add_audit_month', 'add_audit_rest',
      'add_to_audit_log', 'audit_account', 'audit_profile', 'audit_profile_made', 'audit_token', 'grants_superuser',
      'refuse_change_of_audit_log'
    ) and has_function_privilege(r.oid, f.oid, 'execute')$$,
  $$values
    ('is_superuser'::name, 'authenticated'::name), ('session_is_live', 'authenticated'),
    ('prefix_query', 'authenticated'), ('highlight', 'authenticated'), ('prefix_query', 'service_role'),
    ('highlight', 'service_role'), ('account_is_superuser', 'service_role'),
    ('use_api_token', 'anon'), ('require_superuser', 'authenticated'), ('account_facts', 'authenticated'),
    ('superusers', 'authenticated'), ('change_profile', 'authenticated'), ('is_last_superuser', 'authenticated'),
    ('note_administration', 'authenticated'), ('all_numbers', 'authenticated')$$,
  'The API roles may run what is meant for them');

-- Logins
select is_empty(
  $$select rolname from pg_roles where rolname = 'api_main'
    and (rolsuper or rolbypassrls or rolinherit or rolcreaterole or rolcreatedb)$$,
  'The login of the API has no powers');
select ok(not pg_has_role('api_main', 'service_role', 'member'), 'and cannot become service_role');

select * from finish();
rollback;
