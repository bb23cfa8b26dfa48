-- What the role `observer` may know: how much waits, which statements are slow, and nothing else.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated"}'
insert into auth.users (id, aud, role, email) values (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test');

grant observer to current_user; -- whoever made it may administer it, not yet become it
delete from public.jobs;
delete from procrastinate.procrastinate_jobs;
delete from private.tasks_to_embed;

select plan(13);

-- Nothing waits
set local role observer;
select results_eq(
  'select * from private.queue_ages()', $$values (0::bigint, 0::double precision, 0::bigint, 0::bigint, 0::double precision)$$,
  'Where nothing waits there are zeros');

-- Jobs, and to which trace they belong
reset role;
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select private.enqueue_job('test.work', '{}', 'normal', null, 10) as untraced \gset
set local request.traceparent = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
select private.enqueue_job('test.work', '{}', 'normal', null, 10) as traced \gset
set local request.traceparent = 'no trace at all';
select throws_ok(
  $$select private.enqueue_job('test.work', '{}', 'normal', null, 10)$$, '23514', null, 'Nothing else passes for a trace');
select throws_ok('select traceparent from public.jobs', '42501', null, 'An owner is not told of traces');
reset role;
select is((select traceparent from public.jobs where id = :'untraced'), null, 'A job may belong to no trace');
select is(
  (select traceparent from public.jobs where id = :'traced'), '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
  'A job belongs to the trace of its transaction');
update public.jobs set created_at = now() - interval '1 hour' where id = :'untraced';
update public.jobs set created_at = now() - interval '2 hours' where id = :'traced';
set local role observer;
select results_eq(
  'select jobs_waiting, jobs_oldest_seconds from private.queue_ages()', $$values (2::bigint, 7200::double precision)$$,
  'Jobs wait, the oldest for two hours');
reset role;
update procrastinate.procrastinate_jobs set scheduled_at = now() + interval '1 minute' where args ->> 'job_id' = :'traced';
set local role observer;
select results_eq(
  'select jobs_waiting, jobs_oldest_seconds from private.queue_ages()', $$values (1::bigint, 3600::double precision)$$,
  'A retry that is not yet due does not wait');
reset role;
update procrastinate.procrastinate_jobs set status = 'doing', scheduled_at = now() where args ->> 'job_id' = :'traced';
set local role observer;
select results_eq(
  'select jobs_waiting, jobs_running from private.queue_ages()', $$values (1::bigint, 1::bigint)$$,
  'What a worker is at does not wait');

-- Embeddings
reset role;
insert into public.tasks (owner_id, title) values (:'ada', 'to be embedded');
update private.tasks_to_embed set queued_at = now() - interval '5 minutes';
update public.tasks set title = 'other words' where owner_id = :'ada';
set local role observer;
select results_eq(
  'select embeddings_waiting, embeddings_oldest_seconds from private.queue_ages()',
  $$values (1::bigint, 300::double precision)$$, 'A task waits since its words changed first');

-- Nothing else
select throws_ok('select id from public.jobs', '42501', null, 'The observer sees no job');
select throws_ok('select id from public.tasks', '42501', null, 'and no task');
reset role;
set local role authenticated;
select throws_ok('select private.queue_ages()', '42501', null, 'A person is not told how much waits');
select throws_ok('select private.slowest_statements(1)', '42501', null, 'nor which statements are slow');
reset role;

select * from finish();
rollback;
