-- public.live_feeds, public.live_events and private.presences: what is written by itself, and who reaches it.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set bob '0b0b0b0b-0000-4000-8000-000000000002'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated"}'
\set as_bob '{"sub": "0b0b0b0b-0000-4000-8000-000000000002", "role": "authenticated"}'
insert into auth.users (id, aud, role, email, raw_app_meta_data) values
  (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test', '{"channels": ["team"]}'),
  (:'bob', 'authenticated', 'authenticated', 'bob@pgtap.test', '{"channels": ["team", "board"]}');
grant job_worker to current_user;  -- whoever may make roles is not yet a member of them

select plan(27);

-- Writing
insert into public.tasks (id, owner_id, title) values
  ('a1a1a1a1-0000-4000-8000-000000000001', :'ada', 'a'), ('a1a1a1a1-0000-4000-8000-000000000002', :'ada', 'b'),
  ('b1b1b1b1-0000-4000-8000-000000000001', :'bob', 'c');
select results_eq(
  $$select count(*)::int from public.live_events where last_id is null$$, array[2],
  'A statement is one row for each owner, without an id before the commit');
set constraints all immediate;
select results_eq(
  $$select topic, change, cardinality(subjects), last_id from public.live_events
    where owner_id = '0a0a0a0a-0000-4000-8000-000000000001'$$,
  $$values ('tasks', 'created', 2, 2::bigint)$$, 'At the commit each event gets an id');
update public.tasks set status = 'completed' where id = 'a1a1a1a1-0000-4000-8000-000000000001';
update public.tasks set owner_id = :'bob' where id = 'a1a1a1a1-0000-4000-8000-000000000001';
delete from public.tasks where owner_id = :'ada';
insert into public.jobs (owner_id, kind) values (:'ada', 'tasks.report');
update public.jobs set state = 'running' where owner_id = :'ada';
select results_eq(
  $$select topic, change, last_id from public.live_events
    where owner_id = '0a0a0a0a-0000-4000-8000-000000000001' order by last_id$$,
  $$values ('tasks', 'created', 2::bigint), ('tasks', 'updated', 3), ('tasks', 'deleted', 4), ('tasks', 'deleted', 5),
    ('jobs', 'created', 6), ('jobs', 'updated', 7)$$,
  'What is changed, given away, deleted or queued follows');
select results_eq(
  $$select change, last_id from public.live_events
    where owner_id = '0b0b0b0b-0000-4000-8000-000000000002' order by last_id$$,
  $$values ('created', 1::bigint), ('created', 2)$$, 'Whoever is given a task sees it come');
insert into public.tasks (owner_id, title) select :'ada', 'many' from generate_series(1, 1001);
select results_eq(
  $$select subjects, last_id from public.live_events where owner_id = '0a0a0a0a-0000-4000-8000-000000000001'
    order by last_id desc limit 1$$,
  $$values (null::uuid[], 8::bigint)$$, 'More than a thousand at once are one event');

-- Reading
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select results_eq('select last_id from public.live_feeds', array[8::bigint], 'A person sees how far their feed is');
select results_eq('select count(*)::int from public.live_events', array[7], 'And their events alone');
select throws_ok(
  $$insert into public.live_events (owner_id, topic, change) values (auth.uid(), 'tasks', 'created')$$, '42501', null,
  'Nobody writes events');
select throws_ok('update public.live_feeds set last_id = 0', '42501', null, 'Nor changes a feed');
select throws_ok('delete from public.live_events', '42501', null, 'Nor deletes one');
select throws_ok('select private.live_heads(array[auth.uid()])', '42501', null, 'Heads are for processes');
select throws_ok($$select private.sweep_live_events('0 s')$$, '42501', null, 'So is sweeping');

-- Presence
select ok(private.join_presence('team', 'eeeeeeee-0000-4000-8000-000000000001'), 'A person joins a channel of theirs');
select ok(private.join_presence('team', 'eeeeeeee-0000-4000-8000-000000000001'), 'Twice is once');
select ok(not private.join_presence('board', 'eeeeeeee-0000-4000-8000-000000000001'), 'But no other');
select throws_ok('select * from private.presences', '42501', null, 'The table is nobody''s to look into');
set local request.jwt.claims = :'as_bob';
select results_eq(
  $$select user_id::text from private.present_in('team')$$, array[:'ada'], 'Whoever shares it sees them');
select ok(private.join_presence('team', 'eeeeeeee-0000-4000-8000-000000000002'), 'And joins');
select private.leave_presence('team', 'eeeeeeee-0000-4000-8000-000000000001');
select results_eq(
  $$select user_id::text from private.present_in('team')$$, array[:'ada', :'bob'], 'Nobody leaves for another');
set local request.jwt.claims = :'as_ada';
select is_empty($$select * from private.present_in('board')$$, 'A stranger sees nobody');
set local role none;
update auth.users set raw_app_meta_data = '{}' where id = :'bob';
set local role authenticated;
select results_eq(
  $$select user_id::text from private.present_in('team')$$, array[:'ada'],
  'Whoever loses the channel is seen no more');
set local request.jwt.claims = :'as_bob';
select is_empty($$select * from private.present_in('team')$$, 'And sees nobody');

-- Keeping
set local role job_worker;
select lives_ok(
  $$select private.keep_presences('eeeeeeee-0000-4000-8000-000000000003', array['team'],
    array['0a0a0a0a-0000-4000-8000-000000000001']::uuid[])$$, 'A process says who is connected to it');
select lives_ok(
  $$select private.keep_presences('eeeeeeee-0000-4000-8000-000000000001', '{}', '{}')$$, 'Or that nobody is any more');
set local role none;
select results_eq(
  $$select process::text from private.presences where user_id = '0a0a0a0a-0000-4000-8000-000000000001'$$,
  array['eeeeeeee-0000-4000-8000-000000000003'], 'And they are gone from there alone');

-- Sweeping
update public.live_events set created_at = now() - interval '2 h' where owner_id = :'ada' and last_id < 8;
set local role job_worker;
select cmp_ok(private.sweep_live_events('1 h'), '=', 6::bigint, 'Old events are deleted');
set local role none;

-- Nobody
set local role anon;
set local request.jwt.claims = '';
select throws_ok('select * from public.live_events', '42501', null, 'Nobody sees no events');

select * from finish();
rollback;
