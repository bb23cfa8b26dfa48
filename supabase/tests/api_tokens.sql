-- public.api_tokens, and what a token lets its bearer do.
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
insert into public.api_tokens (id, owner_id, name, scopes, hint, digest, expires_at) values
  ('a7a7a7a7-0000-4000-8000-000000000001', :'ada', 'of Ada', '{tasks:read}', '…ada1', 'digest of ada', null),
  ('a7a7a7a7-0000-4000-8000-000000000002', :'ada', 'over', '{tasks:read}', '…ada2', 'digest that is over',
    now() - interval '1 second'),
  ('b7b7b7b7-0000-4000-8000-000000000003', :'bob', 'of Bob', '{tasks:write}', '…bob1', 'digest of bob', null);
create function pg_temp.owner_of(digest text) returns uuid language sql as $$
  select owner_id from private.use_api_token(digest)
$$;

select plan(32);

-- Ada, with her own tokens and with Bob's
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select set_eq(
  'select name from public.api_tokens', array['of Ada', 'over'], 'An owner sees their tokens, and no others');
select throws_ok('select digest from public.api_tokens', '42501', null, 'Nobody sees a digest');
select throws_ok('select * from public.api_tokens', '42501', null, 'not even by asking for everything');
select lives_ok(
  $$insert into public.api_tokens (name, scopes, hint, digest) values ('new', '{tasks:read}', '…new1', 'digest')$$,
  'A person makes a token');
select is((select owner_id from public.api_tokens where name = 'new'), :'ada', 'and owns it');
select throws_ok(
  $$insert into public.api_tokens (owner_id, name, scopes, hint, digest)
    values ('0b0b0b0b-0000-4000-8000-000000000002', 'for Bob', '{tasks:read}', '…', 'x')$$,
  '42501', null, 'A person makes no token for somebody else');
select throws_ok(
  format('update public.api_tokens set %I = default', column_name), '42501', null, 'Nobody changes ' || column_name)
from unnest(array[
  'id', 'owner_id', 'name', 'scopes', 'digest', 'expires_at', 'last_used_at', 'created_at'
]) column_name;
select is_empty(
  $$delete from public.api_tokens where name = 'of Bob' returning id$$,
  'A revocation of somebody else''s token reaches nothing');
select results_eq(
  $$delete from public.api_tokens where name = 'new' returning name$$, array['new'], 'An owner revokes their token');
select throws_ok(
  $$insert into public.api_tokens (name, scopes, hint, digest) values ('none', '{}', '…', 'y')$$, '23514', null,
  'A token has a scope');
set local request.jwt.claims = :'as_root';
select is_empty('select id from public.api_tokens', 'A superuser sees nobody''s tokens');
select is_empty('delete from public.api_tokens returning id', 'and revokes none');
set local role anon;
set local request.jwt.claims = :'as_ada';
select throws_ok('select id from public.api_tokens', '42501', null, 'anon may not select');
select throws_ok($$insert into public.api_tokens (name) values ('x')$$, '42501', null, 'anon may not insert');
select throws_ok('delete from public.api_tokens', '42501', null, 'anon may not delete');

-- The use of a token: by anon, who holds no more than its digest
select is(pg_temp.owner_of('digest of ada'), :'ada', 'A token acts for its owner');
select is(pg_temp.owner_of('digest that is over'), null, 'An expired token acts for nobody');
select is(pg_temp.owner_of('digest of nobody'), null, 'A token that is none acts for nobody');
select is_empty('select * from private.use_api_token(null)', 'nor does nothing');
reset role;
select is(last_used_at, now(), 'Its use is noted') from public.api_tokens where name = 'of Ada';
select is(last_used_at, null, 'An attempt with an expired token is no use') from public.api_tokens where name = 'over';
update auth.users set banned_until = 'infinity' where id = :'ada';
set local role anon;
select is(pg_temp.owner_of('digest of ada'), null, 'The token of a banned account acts for nobody');
reset role;
update auth.users set banned_until = 'infinity' where id = :'bob';
set local role anon;
select is(pg_temp.owner_of('digest of bob'), null, 'nor does one that was never used');
reset role;
select is(last_used_at, null, 'and the attempt is no use either') from public.api_tokens where name = 'of Bob';
set local role authenticated;
select throws_ok($$select private.use_api_token('x')$$, '42501', null, 'authenticated has no need of it');

select * from finish();
rollback;
