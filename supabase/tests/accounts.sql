-- What happens to profile and access when an account is made, changed, banned or deleted, as the dashboard does it.
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
\set session 'a5a5a5a5-0000-4000-8000-000000000001'
\set as_ada_live '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "session_id": "a5a5a5a5-0000-4000-8000-000000000001"}'
insert into auth.sessions (id, user_id) values (:'session', :'ada');
create function pg_temp.is_live() returns boolean language sql as 'select private.session_is_live()';
create function pg_temp.superuser_with(metadata jsonb) returns boolean language plpgsql as $$ begin
  update auth.users set raw_app_meta_data = metadata where email = 'robert@pgtap.test';
  return (select private.account_is_superuser(id) from auth.users where email = 'robert@pgtap.test');
end $$;

select plan(36);

-- The profile
select results_eq(
  format('select email, full_name, is_active, is_superuser from public.profiles where id = %L', :'ada'),
  $$values ('ada@pgtap.test', null::text, true, false)$$, 'A new account has a profile');
insert into auth.users (id, email, raw_user_meta_data) values
  ('0e0e0e0e-0000-4000-8000-000000000005', 'eve@pgtap.test', jsonb_build_object('full_name', '  ' || repeat('e', 300)));
select is(char_length(full_name), 255, 'A full name is cut to what fits') from public.profiles
where email = 'eve@pgtap.test';
insert into auth.users (id, is_anonymous) values ('0f0f0f0f-0000-4000-8000-000000000006', true);
select is(email, null, 'An anonymous account has a profile without an e-mail') from public.profiles
where id = '0f0f0f0f-0000-4000-8000-000000000006';
update auth.users set email = 'anon@pgtap.test', is_anonymous = false where id = '0f0f0f0f-0000-4000-8000-000000000006';
select is(email, 'anon@pgtap.test', 'and gets the e-mail later') from public.profiles
where id = '0f0f0f0f-0000-4000-8000-000000000006';
update auth.users set email = 'countess@pgtap.test' where id = :'ada';
select is(email, 'countess@pgtap.test', 'A new e-mail is copied') from public.profiles where id = :'ada';
update auth.users set email = null where id = :'ada';
select is(email, null, 'and so is its end') from public.profiles where id = :'ada';
delete from public.profiles where id = :'bob';
select ok(not private.may_sign_in(:'bob'), 'An account without a profile has no access');
update auth.users set email = 'robert@pgtap.test' where id = :'bob';
select is(email, 'robert@pgtap.test', 'until the next change of its e-mail brings one') from public.profiles
where id = :'bob';

-- Access
select ok(private.may_sign_in(:'ada'), 'An account may sign in');
select ok(not private.may_sign_in(gen_random_uuid()), 'Nobody may not');
select ok(not private.may_sign_in(null), 'nor may nothing');
update auth.users set banned_until = now() + interval '1 hour' where id = :'ada';
select ok(not private.may_sign_in(:'ada'), 'A banned account may not sign in');
update auth.users set banned_until = now() - interval '1 hour' where id = :'ada';
select ok(private.may_sign_in(:'ada'), 'until the ban is over');
update public.profiles set is_active = false where id = :'ada';
select ok(not private.may_sign_in(:'ada'), 'An account that is switched off may not sign in');
update public.profiles set is_active = true where id = :'ada';

-- Live tokens
set local request.jwt.claims = :'as_ada_live';
set local role authenticated;
select ok(pg_temp.is_live(), 'A session is live');
reset role;
update auth.users set banned_until = 'infinity' where id = :'ada';
set local role authenticated;
select ok(not pg_temp.is_live(), 'but not under a ban');
reset role;
update auth.users set banned_until = null where id = :'ada';
update auth.sessions set not_after = now() - interval '1 second' where id = :'session';
set local role authenticated;
select ok(not pg_temp.is_live(), 'nor when its time is over');
reset role;
update auth.sessions set not_after = null, user_id = :'bob' where id = :'session';
set local role authenticated;
select ok(not pg_temp.is_live(), 'nor is it anybody else''s');
reset role;
update auth.sessions set user_id = :'ada' where id = :'session';
set local request.jwt.claims = :'as_ada';
set local role authenticated;
select ok(not coalesce(pg_temp.is_live(), false), 'A token without a session has none that is live');
set local request.jwt.claims = '';
select ok(not coalesce(pg_temp.is_live(), false), 'and neither has nobody');
reset role;
set local request.jwt.claims = :'as_ada_live';
delete from auth.sessions where id = :'session';
set local role authenticated;
select ok(not pg_temp.is_live(), 'Signed out, a session is live no more');
reset role;

-- Superusers
select ok(private.account_is_superuser(:'root'), 'The column makes a superuser');
select ok(not private.account_is_superuser(:'ada'), 'and nobody else is one');
update auth.users set banned_until = 'infinity' where id = :'root';
select ok(not private.account_is_superuser(:'root'), 'A banned superuser is none');
update auth.users set banned_until = null where id = :'root';
update public.profiles set is_active = false where id = :'root';
select ok(not private.account_is_superuser(:'root'), 'nor is one that is switched off');
update public.profiles set is_active = true, is_superuser = false where id = :'root';
select ok(not private.account_is_superuser(:'root'), 'Cleared in the column, a superuser is none');
select is(pg_temp.superuser_with(metadata), granted, 'app_metadata ' || coalesce(metadata::text, 'null'))
from (values
  ('{"is_superuser": true}'::jsonb, true), ('{"is_superuser": "true"}', false), ('{"is_superuser": 1}', false),
  ('[{"is_superuser": true}]', false), ('{}', false), (null, false)
) t (metadata, granted);

-- Soft deletion
update public.profiles set username = 'root_pgtap', full_name = 'Root', is_superuser = true where id = :'root';
update auth.users set deleted_at = now(), email = 'digest' where id = :'root';
select results_eq(
  format('select email, username, full_name, is_superuser, is_deleted from public.profiles where id = %L', :'root'),
  $$values (null::text, null::text, null::text, false, true)$$, 'A soft deletion takes the person out of the profile');
select ok(not private.may_sign_in(:'root'), 'and the access away');
update auth.users set deleted_at = null, email = 'root@pgtap.test' where id = :'root';
select ok(email = 'root@pgtap.test' and not is_deleted, 'Undone, the e-mail is back') from public.profiles where id = :'root';
select ok(not private.account_is_superuser(:'root'), 'but not the powers');

select * from finish();
rollback;
