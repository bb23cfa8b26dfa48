-- The queue of tasks to embed, the table of vectors, and the role `embedder`.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set bob '0b0b0b0b-0000-4000-8000-000000000002'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated"}'
insert into auth.users (id, aud, role, email) values
  (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test'),
  (:'bob', 'authenticated', 'authenticated', 'bob@pgtap.test');

grant embedder to current_user; -- whoever made it may administer it, not yet become it

select plan(27);

-- What fills the queue
set local role authenticated;
set local request.jwt.claims = :'as_ada';
insert into public.tasks (id, title) values
  ('a1a1a1a1-0000-4000-8000-000000000001', 'first'), ('a2a2a2a2-0000-4000-8000-000000000002', 'second');
reset role;
insert into public.tasks (id, owner_id, title) values ('b1b1b1b1-0000-4000-8000-000000000003', :'bob', 'of Bob');
create temporary view queue as
select t.title, q.revision from private.tasks_to_embed q join public.tasks t on t.id = q.task_id;
select set_eq(
  'select title, revision from queue', $$values ('first', 1), ('second', 1), ('of Bob', 1)$$, 'A new task is queued');
delete from private.tasks_to_embed;
set local role authenticated;
update public.tasks set status = 'completed', priority = 'high', due_at = now() where title = 'first';
update public.tasks set title = title, description = null where title = 'second';
reset role;
select is_empty('select title from queue', 'A change of anything but the words queues nothing');
set local role authenticated;
update public.tasks set title = 'new words' where title = 'first';
reset role;
select set_eq('select title, revision from queue', $$values ('new words', 1)$$, 'A new title is queued');
update private.tasks_to_embed set claimed_until = now() + interval '1 minute';
set local role authenticated;
update public.tasks set description = 'and a description' where title = 'new words';
reset role;
select set_eq('select title, revision from queue', $$values ('new words', 2)$$, 'and so is a description, as a revision');
select is_empty(
  'select claimed_until from private.tasks_to_embed where claimed_until is not null',
  'which is nobody''s, whoever was at the one before');

-- People
set local role authenticated;
select throws_ok('select * from private.tasks_to_embed', '42501', null, 'A person does not see the queue');
select throws_ok(
  $$insert into private.tasks_to_embed (task_id) values ('b1b1b1b1-0000-4000-8000-000000000003')$$, '42501', null,
  'and queues nothing by hand');
select throws_ok('delete from private.tasks_to_embed', '42501', null, 'A person takes nothing out of the queue');
set local role anon;
select throws_ok('select * from private.tasks_to_embed', '42501', null, 'anon does not see the queue');
reset role;

-- The embedder
select is_empty(
  $$select rolname from pg_roles where rolname = 'embedder'
    and (rolsuper or rolbypassrls or rolinherit or rolcreaterole or rolcreatedb or rolcanlogin)$$,
  'The embedder has no powers');
set local role embedder;
select is(count(*), 3::bigint, 'The embedder reads everybody''s words') from (select id, owner_id, title, description
from public.tasks where owner_id in (:'ada', :'bob')) words;
select throws_ok(format('select %I from public.tasks', name), '42501', null, 'The embedder does not read ' || name)
from unnest(array['status', 'priority', 'due_at', 'version', 'search']) name;
select throws_ok($$update public.tasks set title = 'x'$$, '42501', null, 'The embedder changes no task');
select throws_ok('select * from public.profiles', '42501', null, 'The embedder knows nobody');
select lives_ok(
  $$update private.tasks_to_embed set claimed_until = now() + interval '1 minute'$$, 'The embedder claims tasks');
select throws_ok(
  'update private.tasks_to_embed set revision = 1', '42501', null, 'The embedder does not touch revisions');
select lives_ok('delete from private.tasks_to_embed', 'The embedder takes out what is embedded');
select lives_ok(
  $$insert into private.tasks_to_embed (task_id) values ('b1b1b1b1-0000-4000-8000-000000000003')$$,
  'The embedder queues what an older model embedded');
reset role;

-- The vectors, where pgvector is
select set_config('tests.vectors', (to_regclass('public.task_embeddings') is not null)::text, true) as vectors \gset
\if :vectors
  set local role embedder;
  select lives_ok(
    $$insert into public.task_embeddings (task_id, owner_id, model, model_version, embedding)
      select id, owner_id, 'm', '1', array_fill(1, '{384}') from public.tasks$$, 'The embedder adds vectors');
  select throws_ok(
    $$update public.task_embeddings set owner_id = '0a0a0a0a-0000-4000-8000-000000000001'$$, '42501', null,
    'but none under an owner who is not the task''s');
  select throws_ok('select embedding from public.task_embeddings', '42501', null, 'and reads none');
  set local role authenticated;
  select results_eq(
    'select distinct owner_id from public.task_embeddings', array[:'ada'::uuid], 'An owner compares their tasks alone');
  reset role;
  update public.tasks set owner_id = :'bob' where title = 'second';
  select is(
    count(*), 2::bigint, 'A task that changes hands leaves no vector behind') from public.task_embeddings;
\else
  select skip('pgvector is missing', 5);
\endif

select * from finish();
rollback;
