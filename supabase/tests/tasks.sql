-- public.tasks: who reaches which row by which verb, and which columns.
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
insert into public.tasks (id, owner_id, title) values
  ('a1a1a1a1-0000-4000-8000-000000000001', :'ada', 'of Ada'),
  ('b1b1b1b1-0000-4000-8000-000000000002', :'bob', 'of Bob');

select plan(37);

-- Ada, with her own rows and with Bob's
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select results_eq('select title from public.tasks', array['of Ada'], 'An owner sees their tasks, and no others');
select lives_ok(
  $$insert into public.tasks (title) values ('new')$$, 'A person creates a task, and owns it by default');
select is((select owner_id from public.tasks where title = 'new'), :'ada', 'The owner of a new task is the caller');
select throws_ok(
  $$insert into public.tasks (owner_id, title) values ('0b0b0b0b-0000-4000-8000-000000000002', 'for Bob')$$,
  '42501', null, 'A person creates no task for somebody else');
select results_eq(
  $$update public.tasks set title = 'changed' where title = 'of Ada' returning title$$, array['changed'],
  'An owner changes their task');
select is_empty(
  $$update public.tasks set title = 'stolen' where id = 'b1b1b1b1-0000-4000-8000-000000000002' returning id$$,
  'A change of somebody else''s task reaches nothing');
select is_empty(
  $$delete from public.tasks where id = 'b1b1b1b1-0000-4000-8000-000000000002' returning id$$,
  'A deletion of somebody else''s task reaches nothing');
select results_eq(
  $$delete from public.tasks where title = 'new' returning title$$, array['new'], 'An owner deletes their task');
select throws_ok(
  format('update public.tasks set %I = default', column_name), '42501', null, 'An owner cannot write ' || column_name)
from unnest(array['id', 'owner_id', 'version', 'created_at', 'updated_at', 'search']) column_name;
select throws_ok(
  format('insert into public.tasks (title, %I) values (%L, default)', column_name, 'new'), '42501', null,
  'A new task cannot bring its ' || column_name)
from unnest(array['version', 'created_at', 'updated_at', 'search']) column_name;
select throws_ok('truncate public.tasks', '42501', null, 'Nobody truncates');

-- A superuser, a stranger, nobody
set local request.jwt.claims = :'as_root';
select is_empty('select id from public.tasks', 'A superuser sees nobody''s tasks');
select is_empty($$update public.tasks set title = 'x' returning id$$, 'A superuser changes nobody''s tasks');
select is_empty('delete from public.tasks returning id', 'A superuser deletes nobody''s tasks');
set local request.jwt.claims = '{"sub": "0d0d0d0d-0000-4000-8000-000000000004", "role": "authenticated"}';
select is_empty('select id from public.tasks', 'A subject without an account sees nothing');
select throws_ok(
  $$insert into public.tasks (title) values ('of nobody')$$, '23503', null,
  'A subject without an account owns nothing');
set local request.jwt.claims = '';
select is_empty('select id from public.tasks', 'Without claims there is nothing to see');
select throws_ok(
  $$insert into public.tasks (title) values ('x')$$, '42501', null, 'Without claims there is nothing to own');
set local role anon;
set local request.jwt.claims = :'as_ada';
select throws_ok('select id from public.tasks', '42501', null, 'anon may not select, whatever the claims');
select throws_ok($$insert into public.tasks (title) values ('x')$$, '42501', null, 'anon may not insert');
select throws_ok($$update public.tasks set title = 'x'$$, '42501', null, 'anon may not update');
select throws_ok('delete from public.tasks', '42501', null, 'anon may not delete');

-- What the database keeps
reset role;
select is(version, 2, 'A change counts the version up') from public.tasks
where id = 'a1a1a1a1-0000-4000-8000-000000000001';
update public.tasks set version = 40, updated_at = '2001-01-01' where id = 'a1a1a1a1-0000-4000-8000-000000000001';
select is(version, 3, 'The version is counted, not written') from public.tasks
where id = 'a1a1a1a1-0000-4000-8000-000000000001';
select is(updated_at, now(), 'updated_at is kept, not written') from public.tasks
where id = 'a1a1a1a1-0000-4000-8000-000000000001';
select throws_ok(
  format('insert into public.tasks (owner_id, title) values (%L, %L)', :'ada', ''), '23514', null,
  'A task has a title');
set local role service_role;
select results_eq(
  format('select count(*) from public.tasks where owner_id in (%L, %L)', :'ada', :'bob'), array[2::bigint],
  'service_role sees all tasks');
reset role;
delete from auth.users where id = :'ada';
select is_empty(format('select id from public.tasks where owner_id = %L', :'ada'), 'Tasks go with their account');
select isnt_empty(format('select id from public.tasks where owner_id = %L', :'bob'), 'and nobody else''s');

select * from finish();
rollback;
