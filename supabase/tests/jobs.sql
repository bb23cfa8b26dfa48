-- public.jobs and public.job_files: who reaches which row by which verb, and what becomes of a job by itself.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set bob '0b0b0b0b-0000-4000-8000-000000000002'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated", "session_id": "s"}'
\set as_bob '{"sub": "0b0b0b0b-0000-4000-8000-000000000002", "role": "authenticated"}'
insert into auth.users (id, aud, role, email) values
  (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test'),
  (:'bob', 'authenticated', 'authenticated', 'bob@pgtap.test');
insert into public.jobs (id, owner_id, kind, state) values
  ('b1b1b1b1-0000-4000-8000-000000000002', :'bob', 'tasks.report', 'queued');

grant job_worker to current_user;  -- whoever may make roles is not yet a member of them

select plan(37);

-- Ada queues a job
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select isnt(
  private.enqueue_job('tasks.import', '{"format": "csv"}', 'high', 'title', 2), null, 'A person queues a job');
select results_eq(
  'select owner_id, kind, state, priority from public.jobs',
  $$values ('0a0a0a0a-0000-4000-8000-000000000001'::uuid, 'tasks.import'::text, 'queued'::public.job_state,
    'high'::public.job_priority)$$,
  'It is theirs, and all that they see');
select results_eq(
  'select content from public.job_files', array['title'::bytea], 'Its input is kept');
select isnt(private.enqueue_job('tasks.export', '{}', 'low', null, 2), null, 'A second one');
select is(private.enqueue_job('tasks.export', '{}', 'low', null, 2), null, 'But no more than are allowed');
select throws_ok(
  $$select private.enqueue_job('drop table', '{}', 'low', null, 9)$$, '23514', null, 'A kind is two words');

-- What she may not do
select throws_ok(
  format('select %I from public.jobs', column_name), '42501', null, 'An owner cannot read ' || column_name)
from unnest(array['claims', 'failures', 'queue_id']) column_name;
select throws_ok(
  $$insert into public.jobs (owner_id, kind) values (auth.uid(), 'tasks.export')$$, '42501', null,
  'A person makes no job but by the function');
select throws_ok($$update public.jobs set state = 'succeeded'$$, '42501', null, 'An owner changes no job');
select throws_ok('delete from public.jobs', '42501', null, 'An owner deletes no job');
select throws_ok($$update public.job_files set content = ''$$, '42501', null, 'An owner changes no file');
select throws_ok('delete from public.job_files', '42501', null, 'An owner deletes no file');
select throws_ok(
  $$insert into public.job_files select id, 'result', 0, '' from public.jobs$$, '42501', null,
  'An owner makes no file');
select throws_ok(
  $$select private.tidy_jobs('1 s', 1, '1 s')$$, '42501', null, 'Only a worker tidies up');
select throws_ok('select * from procrastinate.procrastinate_jobs', '42501', null, 'The queue is nobody''s to look into');

-- Cancelling
select is(
  private.cancel_job('b1b1b1b1-0000-4000-8000-000000000002', '1 day'), null, 'Nobody cancels another''s job');
select results_eq(
  $$select private.cancel_job(id, '1 day') from public.jobs where kind = 'tasks.import'$$,
  $$values ('cancelled'::public.job_state)$$, 'An owner cancels theirs');
select results_eq(
  $$select finished_at is not null, expires_at = now() + interval '1 day', version from public.jobs
    where kind = 'tasks.import'$$,
  $$values (true, true, 2)$$, 'Which is finished then, and will expire');
select is_empty('select part from public.job_files', 'Its input is gone');

-- Bob
set local request.jwt.claims = :'as_bob';
select results_eq('select kind from public.jobs', array['tasks.report'], 'Another sees their own jobs alone');
select is_empty('select part from public.job_files', 'And no files');

-- Nobody
set local role anon;
set local request.jwt.claims = '';
select throws_ok('select id from public.jobs', '42501', null, 'Nobody sees no job');
select throws_ok(
  $$select private.enqueue_job('tasks.export', '{}', 'low', null, 9)$$, '42501', null, 'Nobody queues a job');
select throws_ok(
  $$select private.cancel_job('b1b1b1b1-0000-4000-8000-000000000002', '1 day')$$, '42501', null,
  'Nobody cancels a job');

-- A worker
reset role;
select results_eq(
  $$select claims ->> 'session_id', queue_id is not null from public.jobs where kind = 'tasks.export'$$,
  $$values ('s'::text, true)$$, 'A job keeps the claims that asked for it, and its place in the queue');
set local role job_worker;
select is((select count(*) from public.jobs where kind like 'tasks.%'), 3::bigint, 'A worker sees every job');
select throws_ok($$update public.jobs set owner_id = id$$, '42501', null, 'But gives none away');
select throws_ok($$update public.jobs set claims = '{}'$$, '42501', null, 'Nor makes claims');
select throws_ok(
  $$insert into public.job_files select id, 'input', 9, '' from public.jobs$$, '42501', null, 'Nor forges input');
select is_empty('delete from public.jobs returning id', 'Nor deletes what has not expired');
select throws_ok('select id from public.tasks', '42501', null, 'And reaches nobody''s tasks');
select throws_ok('select id from auth.users', '42501', null, 'Nor accounts');
select lives_ok($$update public.jobs set expires_at = now() - interval '1 s' where kind = 'tasks.import'$$, 'It lets jobs expire');
select is(private.tidy_jobs('30 s', 5, '1 day'), 0, 'It tidies up');
select is_empty($$select id from public.jobs where kind = 'tasks.import'$$, 'What has expired is gone then');

select * from finish();
rollback;
