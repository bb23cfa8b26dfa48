-- The audit log, the last superuser, what superusers do with profiles, and the numbers.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

\set ada '0a0a0a0a-0000-4000-8000-000000000001'
\set root '0c0c0c0c-0000-4000-8000-000000000003'
\set as_ada '{"sub": "0a0a0a0a-0000-4000-8000-000000000001", "role": "authenticated"}'
\set as_root '{"sub": "0c0c0c0c-0000-4000-8000-000000000003", "role": "authenticated"}'
insert into auth.users (id, aud, role, email) values
  (:'ada', 'authenticated', 'authenticated', 'ada@pgtap.test'),
  (:'root', 'authenticated', 'authenticated', 'root@pgtap.test');
-- Nobody else may be one: all of it is undone.
update public.profiles set is_superuser = true where id = :'root';
create function pg_temp.tries(statement text) returns setof text language plpgsql as $$
begin
  execute statement;
  return next 'done';
exception when others then return next sqlstate;
end $$;
grant execute on function pg_temp.tries(text) to public;
create function pg_temp.last_action(account uuid) returns text language sql as $$
  select action from private.audit_log where subject_id = account order by happened_at desc limit 1
$$;

select plan(54);

-- The audit log: written by what happens
select results_eq(
  format('select action, actor_id, actor_role from private.audit_log where subject_id = %L order by happened_at', :'root'),
  format($$values ('account.created', null::uuid, %1$L::text), ('superuser.granted', null, %1$L)$$, current_user),
  'What is done in SQL is written down, with the role that did it');
update auth.users set banned_until = 'infinity' where id = :'ada';
select is(pg_temp.last_action(:'ada'), 'account.banned', 'A ban is written down');
update auth.users set banned_until = null where id = :'ada';
select is(pg_temp.last_action(:'ada'), 'account.unbanned', 'and so is its end');
update auth.users set encrypted_password = '$2b$04$secret' where id = :'ada';
select is(pg_temp.last_action(:'ada'), 'account.changed', 'A new password is written down');
select is_empty($$select from private.audit_log l where l::text like '%secret%'$$, 'but never what it is');
update public.profiles set is_active = false where id = :'ada';
select is(pg_temp.last_action(:'ada'), 'account.deactivated', 'An account that is switched off is written down');
update public.profiles set is_active = true where id = :'ada';
set local request.id = 'of-the-test';
set local request.jwt.claims = :'as_ada';
set local role authenticated;
update public.profiles set full_name = 'Ada' where id = :'ada';
insert into public.api_tokens (name, scopes, hint, digest) values ('t', '{tasks:read}', 'x', 'digest of a token');
reset role;
select results_eq(
  format($$select action, actor_id, actor_role, request_id from private.audit_log
    where subject_id = %L order by happened_at desc limit 2$$, :'ada'),
  format($$values ('token.created', %1$L::uuid, 'authenticated', 'of-the-test'),
    ('profile.changed', %1$L::uuid, 'authenticated', 'of-the-test')$$, :'ada'),
  'What a person does is theirs, in this request');
select is_empty($$select from private.audit_log l where l::text like '%digest of a token%'$$, 'and no digest is kept');

-- The audit log: read by superusers, changed by nobody
set local role authenticated;
select is_empty('select id from private.audit_log', 'Ada sees nothing of it, not even what she did');
select is(pg_temp.tries('insert into private.audit_log (action, actor_role) values (''a.b'', ''c'')'), '42501', 'writes nothing');
select is(pg_temp.tries('update private.audit_log set actor_role = null'), '42501', 'changes nothing');
select is(pg_temp.tries('delete from private.audit_log'), '42501', 'and deletes nothing');
select is(pg_temp.tries('select private.note_administration(''x'', null, ''{}'')'), '42501', 'nor has anything noted');
set local request.jwt.claims = :'as_root';
select isnt_empty(format('select id from private.audit_log where subject_id = %L', :'ada'), 'A superuser reads it');
select is(pg_temp.tries(verb || ' private.audit_log' || rest), '42501', 'but may not ' || verb)
from (values ('insert into', ' (action, actor_role) values (''a.b'', ''c'')'), ('update', ' set actor_role = null'),
  ('delete from', ''), ('truncate', '')) t (verb, rest);
set local role anon;
select throws_ok('select id from private.audit_log', '42501', null, 'anon does not read it');
set local role service_role;
select isnt_empty('select action from admin.audit_log', 'service_role reads it in the dashboard');
select is(pg_temp.tries('delete from private.audit_log'), '42501', 'and deletes nothing either');
reset role;
select is(pg_temp.tries(verb), '42501', 'Not even its owner may ' || verb)
from unnest(array[
  'update private.audit_log set actor_role = ''x''', 'delete from private.audit_log', 'truncate private.audit_log'
]) verb;

-- The audit log: month by month
insert into private.audit_log (action, actor_role, happened_at) values
  ('of.old', 'nobody', now() - interval '40 months'), ('of.later', 'nobody', now() + interval '10 months');
select is(count(*), 2::bigint, 'What has no month is kept all the same') from audit.log_rest;
select private.keep_audit_log(12);
select is(count(*), 0::bigint, 'until it gets one') from audit.log_rest;
select is_empty($$select from private.audit_log where action = 'of.old'$$, 'and what is too old is dropped');
select isnt_empty($$select from private.audit_log where action = 'of.later'$$, 'but nothing else is');
select ok(to_regclass('audit.log_' || to_char(now() at time zone 'UTC' + months * interval '1 month', 'YYYY_MM')) is not null,
  'There is a month for what happens in ' || months) from generate_series(0, 2) months;

-- The last superuser
select is(pg_temp.tries(format(statement, :'root')), '23514', statement)
from unnest(array[
  'update public.profiles set is_superuser = false where id = %L',
  'update public.profiles set is_active = false where id = %L',
  'delete from public.profiles where id = %L',
  'update auth.users set banned_until = ''infinity'' where id = %L',
  'update auth.users set deleted_at = now() where id = %L',
  'delete from auth.users where id = %L'
]) statement
where not exists (select from public.profiles where is_superuser and id <> :'root')
union all select skip('There are other superusers here', 6)
where exists (select from public.profiles where is_superuser and id <> :'root');

-- What superusers do
set local role authenticated;
set local request.jwt.claims = :'as_ada';
select is(pg_temp.tries(statement), '42501', 'Ada may not: ' || statement)
from unnest(array[
  'select private.change_profile(auth.uid(), ''{"is_superuser": true}'')', 'select private.require_superuser()',
  'select private.is_last_superuser(auth.uid())', 'select private.all_numbers(30)',
  'select private.add_to_audit_log(''a.b'', null, ''{}'')', 'select private.keep_audit_log(1)'
]) statement;
select is_empty('select * from private.superusers()', 'nor see who is a superuser');
select is_empty(format('select * from private.account_facts(%L)', :'root'), 'nor what is known of them');
set local request.jwt.claims = :'as_root';
select ok(private.change_profile(:'ada', '{"username": "ada_pgtap", "is_superuser": true}'), 'A superuser makes another');
select ok(not private.change_profile(gen_random_uuid(), '{"locale": "de"}'), 'but out of nobody, nobody');
select isnt_empty(format('select from private.superusers() s where s = %L', :'ada'), 'who is one at once');
select results_eq(
  format('select username, full_name, is_active from public.profiles where id = %L', :'ada'),
  $$values ('ada_pgtap', 'Ada', true)$$, 'What was not named stays');

-- Numbers
select private.all_numbers(30) -> 'tasks' as before \gset
select private.all_numbers(30) #>> '{users,total}' as users \gset
reset role;
update auth.users set deleted_at = now() where id = :'ada';
set local role authenticated;
select is((private.all_numbers(30) #>> '{users,total}')::integer, :users - 1, 'Who was deleted softly is not counted');
reset role;
update auth.users set deleted_at = null where id = :'ada';
set local role authenticated;
select is((private.all_numbers(30) #>> '{users,total}')::integer, :users, 'and is when they are back');
reset role;
insert into public.tasks (owner_id, title, status, priority, due_at) values
  (:'ada', 'a', 'pending', 'low', now() - interval '1 second'), (:'ada', 'b', 'completed', 'low', now() - interval '2 days'),
  (:'ada', 'c', 'in_progress', 'urgent', now() - interval '2 days'), (:'ada', 'd', 'pending', 'high', null);
update public.tasks set status = 'cancelled' where title = 'd' and owner_id = :'ada';
create function pg_temp.added(before json) returns setof integer language sql as $$
  select (now #>> path)::integer - (before #>> path)::integer
  from (select private.all_numbers(30) -> 'tasks' as now) n, (values
    (1, '{total}'::text[]), (2, '{by_status,pending}'), (3, '{by_status,cancelled}'), (4, '{by_priority,low}'), (5, '{overdue}')
  ) p (place, path) order by place
$$;
grant execute on function pg_temp.added(json) to public;
set local role authenticated;
select results_eq(
  format('select pg_temp.added(%L)', :'before'), array[4, 1, 1, 2, 2], 'A write counts at once');
reset role;
select private.add_up_task_counts();
select is(count(*), 0::bigint, 'Notes are added up') from private.task_count_changes;
set local role authenticated;
select results_eq(
  format('select pg_temp.added(%L)', :'before'), array[4, 1, 1, 2, 2], 'and the numbers stay what they are');

select * from finish();
rollback;
