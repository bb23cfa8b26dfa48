-- private.custom_access_token_hook: what Supabase Auth gets from it, and that nobody else may ask.
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
create function pg_temp.event(account uuid) returns jsonb language sql as $$
  select jsonb_build_object(
    'user_id', account,
    'authentication_method', 'password',
    'claims', jsonb_build_object(
      'iss', 'https://project.example/auth/v1', 'sub', account, 'aud', 'authenticated', 'exp', 1900000000,
      'iat', 1800000000, 'email', 'ada@pgtap.test', 'phone', '', 'role', 'authenticated', 'aal', 'aal1',
      'session_id', 'a5a5a5a5-0000-4000-8000-000000000001', 'is_anonymous', false,
      'app_metadata', '{"provider": "email"}'::jsonb, 'user_metadata', '{}'::jsonb
    )
  )
$$;

select plan(15);

select has_function('private', 'custom_access_token_hook', array['jsonb']);
select is_definer('private', 'custom_access_token_hook', array['jsonb']);
select is(
  private.custom_access_token_hook(pg_temp.event(:'ada')) -> 'claims' ->> 'user_role', 'user', 'A user is called one');
select is(
  private.custom_access_token_hook(pg_temp.event(:'root')) -> 'claims' ->> 'user_role', 'superuser',
  'A superuser is called one');
select is(
  private.custom_access_token_hook(pg_temp.event(:'root')),
  jsonb_build_object('claims', pg_temp.event(:'root') -> 'claims' || '{"user_role": "superuser"}'),
  'Every other claim stays as it was, role among them, and nothing else is said');
select is(
  private.custom_access_token_hook(jsonb_set(pg_temp.event(:'ada'), '{claims,user_role}', '"superuser"'))
    -> 'claims' ->> 'user_role',
  'user', 'A claim of that name is never taken over');
select is(
  private.custom_access_token_hook(pg_temp.event(gen_random_uuid())) -> 'claims' ->> 'user_role', 'user',
  'An account without a profile is no reason to refuse a token');
update auth.users set raw_app_meta_data = '{"is_superuser": true}' where id = :'ada';
select is(
  private.custom_access_token_hook(pg_temp.event(:'ada')) -> 'claims' ->> 'user_role', 'superuser',
  'app_metadata shows as well');
update auth.users set banned_until = 'infinity' where id = :'root';
select is(
  private.custom_access_token_hook(pg_temp.event(:'root')) -> 'claims' ->> 'user_role', 'user',
  'A banned superuser is none');

select ok(
  not has_function_privilege(role, 'private.custom_access_token_hook(jsonb)', 'execute'), role || ' may not run it')
from unnest(array['anon', 'authenticated', 'service_role', 'api_main']) role;
select is_empty(
  $$select from pg_proc, aclexplode(proacl) a where proname = 'custom_access_token_hook' and a.grantee = 0$$,
  'and nor may the public');
select case
  when exists (select from pg_roles where rolname = 'supabase_auth_admin')
  then ok(has_function_privilege(
    'supabase_auth_admin', 'private.custom_access_token_hook(jsonb)', 'execute'), 'Supabase Auth may run it')
  else skip('There is no Supabase Auth here', 1)
end;

select * from finish();
rollback;
