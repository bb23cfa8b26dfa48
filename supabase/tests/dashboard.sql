-- The schema admin: what the dashboard shows, and to whom.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set bob '0b0b0b0b-0000-4000-8000-000000000002'
\set root '0c0c0c0c-0000-4000-8000-000000000003'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated"}'
\set as_bob '{"sub": "0b0b0b0b-0000-4000-8000-000000000002", "role": "authenticated"}'
\set as_root '{"sub": "0c0c0c0c-0000-4000-8000-000000000003", "role": "authenticated"}'
insert into auth.users (id, aud, role, email) values
  (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test'),
  (:'bob', 'authenticated', 'authenticated', 'bob@pgtap.test'),
  (:'root', 'authenticated', 'authenticated', 'root@pgtap.test');
update public.profiles set is_superuser = true where id = :'root';
insert into public.tasks (owner_id, title, status) values
  (:'ada', 'one', 'pending'), (:'ada', 'two', 'in_progress'), (:'ada', 'three', 'completed');
insert into auth.sessions (user_id, created_at, not_after, refreshed_at, ip, user_agent) values
  (:'ada', now(), null, now() at time zone 'UTC' - interval '1 minute', '192.0.2.7', 'a browser'),
  (:'ada', now() - interval '40 days', now() + interval '1 hour', null, null, null),
  (:'ada', now(), now() - interval '1 hour', null, null, null);
create function pg_temp.state() returns text language sql as $$
  select state from admin.users where email = 'bob@pgtap.test'
$$;
grant execute on function pg_temp.state() to public;

select plan(29);

-- The state of an account: the first reason that applies
select is(pg_temp.state(), 'unconfirmed', 'A new account is unconfirmed');
update auth.users set is_anonymous = true where id = :'bob';
select is(pg_temp.state(), 'active', 'An anonymous account has nothing to confirm');
update auth.users set is_anonymous = false, email_confirmed_at = now() where id = :'bob';
select is(pg_temp.state(), 'active', 'A confirmed account is active');
update public.profiles set is_active = false where id = :'bob';
select is(pg_temp.state(), 'deactivated', 'An account that is switched off is deactivated');
update auth.users set banned_until = now() + interval '1 hour' where id = :'bob';
select is(pg_temp.state(), 'banned', 'A banned account is banned');
update auth.users set deleted_at = now() where id = :'bob';
select is(pg_temp.state(), 'deleted', 'A deleted account is deleted');
update auth.users set deleted_at = null, banned_until = now() - interval '1 hour' where id = :'bob';
update public.profiles set is_active = true where id = :'bob';
select is(pg_temp.state(), 'active', 'A ban that is over is none');
delete from public.profiles where id = :'bob';
select is(pg_temp.state(), 'deactivated', 'An account without a profile is listed, and has no access');

-- As service_role, which has no right to the tables of `auth` on a hosted project
set local role service_role;
select results_eq(
  $$select tasks, open_tasks, live_sessions, is_superuser from admin.users where email = 'ada@pgtap.test'$$,
  $$values (3::bigint, 2::bigint, 2::bigint, false)$$, 'Tasks and live sessions are counted');
select results_eq(
  $$select is_superuser, tasks from admin.users where email = 'root@pgtap.test'$$, $$values (true, 0::bigint)$$,
  'Superusers are shown as the policies see them');
select results_eq(
  $$select count(*) from admin.users where email like '%@pgtap.test'$$, array[3::bigint],
  'Every account is listed once');
select results_eq(
  $$select ip, user_agent, begun_at - last_active_at from admin.sessions
    where email = 'ada@pgtap.test' and ends_at is null$$,
  $$values ('192.0.2.7'::inet, 'a browser', interval '1 minute')$$, 'A session shows its device');
select results_eq(
  $$select count(*) from admin.sessions where email = 'ada@pgtap.test'$$, array[2::bigint],
  'A session whose time is over is not listed');
select results_eq(
  $$select event, ip from admin.security_events where email = 'ada@pgtap.test' order by event, ip$$,
  $$values ('account created', null::inet), ('session begun', '192.0.2.7'), ('session begun', null)$$,
  'Events of the last 30 days are listed, and older ones are not');
select throws_ok('select encrypted_password from auth.users', '42501', null, 'service_role sees no password hash')
where not has_column_privilege('service_role', 'auth.users', 'encrypted_password', 'select')
union all
select skip('Here service_role may see the accounts', 1)
where has_column_privilege('service_role', 'auth.users', 'encrypted_password', 'select');
reset role;

-- The rights of the caller, and nobody's else
select ok(reloptions @> array['security_invoker=on'], oid::regclass || ' is read with its caller''s rights')
from pg_class where relnamespace = 'admin'::regnamespace and relkind = 'v' order by relname;
select is(count(*), 4::bigint, 'There are four views') from pg_class
where relnamespace = 'admin'::regnamespace and relkind = 'v';
select ok(not has_schema_privilege(role, 'admin', 'usage'), role || ' may not use the schema')
from unnest(array['anon', 'authenticated', 'api_main']) role;
select is_empty(
  $$select relname, r.rolname from pg_class c, pg_roles r, unnest(array['select', 'insert', 'update', 'delete']) verb
    where c.relnamespace = 'admin'::regnamespace and r.rolname in ('anon', 'authenticated', 'api_main')
      and has_table_privilege(r.rolname, c.oid, verb)$$,
  'and may do nothing with its views');
select is_empty(
  $$select relname from pg_class c, unnest(array['insert', 'update', 'delete']) verb
    where c.relnamespace = 'admin'::regnamespace and has_table_privilege('service_role', c.oid, verb)$$,
  'service_role may read them and no more');
set local role authenticated;
set local request.jwt.claims = :'as_root';
select throws_ok('select * from admin.' || name, '42501', null, 'Even a superuser of the API is refused admin.' || name)
from unnest(array['users', 'sessions', 'security_events', 'audit_log']) name;

select * from finish();
rollback;
