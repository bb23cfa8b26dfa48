-- public.idempotency_keys: whose they are, and how one is claimed.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set bob '0b0b0b0b-0000-4000-8000-000000000002'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated"}'
\set as_bob '{"sub": "0b0b0b0b-0000-4000-8000-000000000002", "role": "authenticated"}'
insert into auth.users (id, aud, role, email) values
  (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test'),
  (:'bob', 'authenticated', 'authenticated', 'bob@pgtap.test');
insert into public.idempotency_keys (owner_id, key_digest, request_digest, answer, expires_at) values
  (:'ada', sha256('kept'), sha256('asked'), 'answered', now() + interval '1 second'),
  (:'ada', sha256('over'), sha256('asked'), 'answered', now()),
  (:'bob', sha256('of Bob'), sha256('asked'), 'answered', now());

select plan(31);

set local role authenticated;
set local request.jwt.claims = :'as_ada';
select set_eq(
  'select key_digest from public.idempotency_keys', array[sha256('kept'), sha256('over')],
  'A caller finds their answers, and no others');
select lives_ok(
  $$insert into public.idempotency_keys (key_digest, request_digest, answer)
    values (sha256('new'), sha256('asked'), 'answered')$$,
  'A caller keeps an answer');
select results_eq(
  $$select owner_id, expires_at from public.idempotency_keys where key_digest = sha256('new')$$,
  $$values ('0a0a0a0a-0000-4000-8000-000000000001'::uuid, now() + interval '24 hours')$$,
  'which is their own, for 24 hours');
select throws_ok(
  $$insert into public.idempotency_keys (key_digest, request_digest, answer)
    values (sha256('new'), sha256('asked'), 'twice')$$,
  '23505', null, 'There is one answer to a key');
select throws_ok(
  $$insert into public.idempotency_keys (owner_id, key_digest, request_digest, answer)
    values ('0b0b0b0b-0000-4000-8000-000000000002', sha256('x'), sha256('x'), '')$$,
  '42501', null, 'A caller keeps none for somebody else');
select throws_ok(
  format('update public.idempotency_keys set %I = default', column_name), '42501', null, 'Nobody changes ' || column_name)
from unnest(array['owner_id', 'key_digest', 'request_digest', 'answer', 'expires_at']) column_name;
select throws_ok(
  $$insert into public.idempotency_keys (key_digest, request_digest, answer) values ('short', sha256('x'), '')$$,
  '23514', null, 'A digest has 32 bytes');
select is_empty(
  $$delete from public.idempotency_keys where key_digest = sha256('kept') returning 1$$,
  'An answer cannot be given up before its time');
select is_empty(
  $$delete from public.idempotency_keys where key_digest = sha256('of Bob') returning 1$$, 'nor another''s at all');

-- Claims
select results_eq(
  $$select is_claimed, request_digest, answer from private.claim_idempotency_key(sha256('kept'))$$,
  $$values (true, sha256('asked'), 'answered'::bytea)$$,
  'A key that was used brings its answer');
select results_eq(
  $$select is_claimed, answer from private.claim_idempotency_key(sha256('over'))$$, $$values (true, null::bytea)$$,
  'An answer that has expired is forgotten');
select results_eq(
  $$select is_claimed, answer from private.claim_idempotency_key(sha256('of Bob'))$$, $$values (true, null::bytea)$$,
  'Another''s key is another key');
select throws_ok('select private.sweep_idempotency_keys()', '42501', null, 'A caller does not sweep');
set local role anon;
select throws_ok($$select private.claim_idempotency_key(sha256('x'))$$, '42501', null, 'anon claims nothing');
select throws_ok('select from public.idempotency_keys', '42501', null, 'and sees nothing');
reset role;

-- Sign-ups
select throws_ok(
  format('set local role %I; select private.claim_sign_up_key(sha256(''x''))', role), '42501', null,
  role || ' claims no sign-up')
from unnest(array['anon', 'authenticated']) role;
select throws_ok(
  format($$set local role %I; select private.keep_sign_up(%L, sha256('x'), sha256('x'), '')$$, role, :'ada'),
  '42501', null, role || ' keeps no sign-up')
from unnest(array['anon', 'authenticated']) role;
select results_eq(
  $$select is_claimed, answer from private.claim_sign_up_key(sha256('kept'))$$, $$values (true, null::bytea)$$,
  'What a caller has kept answers no sign-up');
select private.keep_sign_up(:'bob', sha256('signed up'), sha256('asked'), 'answered');
select results_eq(
  $$select is_claimed, request_digest, answer from private.claim_sign_up_key(sha256('signed up'))$$,
  $$values (true, sha256('asked'), 'answered'::bytea)$$,
  'A sign-up is found by its key alone');
select results_eq(
  $$select owner_id, expires_at from public.idempotency_keys where key_digest = sha256('signed up')$$,
  $$values ('0b0b0b0b-0000-4000-8000-000000000002'::uuid, now() + interval '24 hours')$$,
  'It is kept for 24 hours, as that of the account');
select throws_ok(
  format($$select private.keep_sign_up(%L, sha256('signed up'), sha256('asked'), 'twice')$$, :'ada'),
  '23505', null, 'There is one sign-up to a key, whoever it is');
select private.keep_sign_up(null, sha256('nobody''s'), sha256('asked'), 'answered');
select is_empty(
  $$select from public.idempotency_keys where key_digest = sha256('nobody''s')$$, 'Without an account nothing is kept');
update public.idempotency_keys set expires_at = now() where key_digest = sha256('signed up');
select results_eq(
  $$select is_claimed, answer from private.claim_sign_up_key(sha256('signed up'))$$, $$values (true, null::bytea)$$,
  'A sign-up that has expired is forgotten');
select private.keep_sign_up(:'ada', sha256('gone'), sha256('asked'), 'answered');
delete from auth.users where id = :'ada';
select is_empty(
  $$select from public.idempotency_keys where key_digest = sha256('gone')$$, 'An answer goes with its account');
insert into auth.users (id, aud, role, email) values (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test');
insert into public.idempotency_keys (owner_id, key_digest, request_digest, answer, expires_at)
values (:'ada', sha256('of Ada'), sha256('asked'), 'answered', now());
select is(private.sweep_idempotency_keys(), 2::bigint, 'A worker sweeps what has expired, whosever it was');

select * from finish();
rollback;
