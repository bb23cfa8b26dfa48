-- public.profiles: who reaches which row by which verb, and which columns.
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
-- There must always be a superuser: somebody else is one too.
insert into auth.users (id, email) values ('0909ffff-0000-4000-8000-000000000009', 'other@pgtap.elsewhere');
update public.profiles set is_superuser = true where id = '0909ffff-0000-4000-8000-000000000009';

select plan(31);

-- Ada, with her own row and with Bob's
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select results_eq('select email from public.profiles', array['ada@pgtap.test'], 'A person sees their profile alone');
select results_eq(
  $$update public.profiles set username = 'ada_pgtap', full_name = 'Ada', locale = 'de-CH' returning id$$,
  array[:'ada'::uuid], 'A person changes their profile, and no other');
select throws_ok(
  format('update public.profiles set %I = default', column_name), '42501', null,
  'A person cannot write ' || column_name)
from unnest(array['id', 'email', 'is_active', 'is_superuser', 'is_deleted', 'created_at', 'updated_at']) column_name;
select throws_ok(
  format('insert into public.profiles (id) values (%L)', gen_random_uuid()), '42501', null, 'Nobody makes profiles');
select throws_ok('delete from public.profiles', '42501', null, 'Nobody deletes profiles');
select throws_ok($$update public.profiles set username = 'A B'$$, '23514', null, 'A user name has a form');
select throws_ok($$update public.profiles set locale = 'english please'$$, '23514', null, 'A locale has a form');

-- Somebody else takes a name
set local request.jwt.claims = :'as_bob';
select throws_ok($$update public.profiles set username = 'ada_pgtap'$$, '23505', null, 'A user name is unique');

-- A superuser, as of this moment
set local request.jwt.claims = :'as_root';
select results_eq(
  $$select email from public.profiles where email like '%@pgtap.test' order by 1$$,
  array['ada@pgtap.test', 'bob@pgtap.test', 'root@pgtap.test'], 'A superuser sees every profile');
select is_empty(
  $$update public.profiles set full_name = 'x' where email = 'ada@pgtap.test' returning id$$,
  'A superuser changes nobody else''s profile');
select throws_ok($$update public.profiles set is_superuser = true$$, '42501', null, 'A superuser makes no superusers');
reset role;
update public.profiles set is_superuser = false where id = :'root';
set local role authenticated;
select results_eq('select email from public.profiles', array['root@pgtap.test'], 'One who is none any more sees one');
reset role;
update auth.users set raw_app_meta_data = '{"is_superuser": true}' where id = :'root';
set local role authenticated;
select isnt_empty(
  format('select from public.profiles where id = %L', :'ada'), 'app_metadata grants as well, without a new token');
reset role;
update auth.users set raw_app_meta_data = '{}' where id = :'root';
update auth.users set raw_user_meta_data = '{"is_superuser": true}' where id = :'root';
set local request.jwt.claims =
  '{"sub": "0c0c0c0c-0000-4000-8000-000000000003", "user_role": "superuser", "app_metadata": {"is_superuser": true}}';
set local role authenticated;
select results_eq(
  'select email from public.profiles', array['root@pgtap.test'], 'Neither user_metadata nor a token grants anything');

-- Strangers and nobody
set local request.jwt.claims = '{"sub": "0d0d0d0d-0000-4000-8000-000000000004", "role": "authenticated"}';
select is_empty('select id from public.profiles', 'A subject without an account sees nothing');
set local request.jwt.claims = '';
select is_empty('select id from public.profiles', 'Without claims there is nothing to see');
select is_empty(
  $$update public.profiles set full_name = 'x' returning id$$, 'Without claims there is nothing to change');
set local role anon;
set local request.jwt.claims = :'as_ada';
select throws_ok('select id from public.profiles', '42501', null, 'anon may not select, whatever the claims');
select throws_ok($$insert into public.profiles (id) values (null)$$, '42501', null, 'anon may not insert');
select throws_ok($$update public.profiles set full_name = 'x'$$, '42501', null, 'anon may not update');
select throws_ok('delete from public.profiles', '42501', null, 'anon may not delete');

-- service_role, and the trigger
set local role service_role;
select results_eq(
  $$select count(*) from public.profiles where email like '%@pgtap.test'$$, array[3::bigint],
  'service_role sees every profile');
select lives_ok(
  format('update public.profiles set is_active = false, updated_at = %L where id = %L', '2001-01-01', :'bob'),
  'service_role switches an account off');
reset role;
select is(updated_at, now(), 'updated_at is kept, not written') from public.profiles where id = :'bob';
delete from auth.users where id = :'ada';
select is_empty(format('select id from public.profiles where id = %L', :'ada'), 'A profile goes with its account');

select * from finish();
rollback;
