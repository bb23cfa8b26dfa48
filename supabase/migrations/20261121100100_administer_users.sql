-- The administration of accounts: a superuser who can always be reached, profiles that superusers change, and numbers
-- for the dashboard that are there before anybody asks.

-- The last superuser ---------------------------------------------------------------------------------------------

-- Whoever takes a superuser's powers away must leave another one. Those who do so at the same time wait for each other,
-- and the second one sees what the first has left. An older snapshot would not show it, so none is taken for an answer.
create function private.leave_a_superuser(gone uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('private.leave_a_superuser', 0));
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'Superusers can only be taken away in a transaction that is read committed.'
      using errcode = 'invalid_transaction_state';
  end if;
  if exists (select from public.profiles p where p.is_superuser and p.id <> gone and private.may_sign_in(p.id))
    or exists (
      select from auth.users u
      where u.raw_app_meta_data -> 'is_superuser' = 'true'::jsonb and u.id <> gone and private.may_sign_in(u.id)
    )
  then
    return;
  end if;
  raise exception 'There must be a superuser left.' using errcode = 'check_violation', constraint = 'a_superuser_is_left';
end $$;
comment on function private.leave_a_superuser(uuid) is 'Refuse to go on if this account is the only superuser.';

create function private.guard_superusers() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if private.account_is_superuser(old.id) then  -- before the change
    if tg_op = 'DELETE' then
      perform private.leave_a_superuser(old.id);
    elsif tg_table_name = 'profiles' then
      if not new.is_active or not new.is_superuser and not exists (
        select from auth.users u where u.id = old.id and private.grants_superuser(u.raw_app_meta_data)
      ) then
        perform private.leave_a_superuser(old.id);
      end if;
    elsif new.deleted_at is not null or new.banned_until > now()
      or not private.grants_superuser(new.raw_app_meta_data) and not exists (
        select from public.profiles p where p.id = old.id and p.is_superuser
      )
    then
      perform private.leave_a_superuser(old.id);
    end if;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;
comment on function private.guard_superusers() is
  'Trigger: the last superuser is neither demoted nor switched off, banned or deleted.';

create trigger guard_superusers_changed before update of is_superuser, is_active on public.profiles
  for each row execute function private.guard_superusers();
create trigger guard_superusers_deleted before delete on public.profiles
  for each row execute function private.guard_superusers();
comment on trigger guard_superusers_changed on public.profiles is 'Keeps a superuser.';
comment on trigger guard_superusers_deleted on public.profiles is 'Keeps a superuser.';
create trigger guard_superusers_changed before update of raw_app_meta_data, banned_until, deleted_at on auth.users
  for each row execute function private.guard_superusers();
create trigger guard_superusers_deleted before delete on auth.users
  for each row execute function private.guard_superusers();

create index profiles_superuser_idx on public.profiles (id) where is_superuser;

-- What superusers do with accounts -------------------------------------------------------------------------------

create function private.require_superuser() returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.is_superuser() then
    raise exception 'This is for superusers.' using errcode = 'insufficient_privilege';
  end if;
end $$;
comment on function private.require_superuser() is 'Refuse everybody who is no superuser now.';

-- What the list of accounts shows besides the profile, which Row Level Security shows to superusers.
create function private.account_facts(account uuid)
returns table (
  is_superuser boolean, is_anonymous boolean, email_confirmed_at timestamptz, last_sign_in_at timestamptz,
  banned_until timestamptz, deleted_at timestamptz
)
language sql stable security definer set search_path = '' as $$
  select
    private.account_is_superuser(u.id), u.is_anonymous, u.email_confirmed_at, u.last_sign_in_at, u.banned_until,
    u.deleted_at
  from auth.users u where u.id = account and (select private.is_superuser())
$$;
comment on function private.account_facts(uuid) is 'What superusers may know of an account; nothing for anybody else.';

create function private.superusers() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select a.id from (
    select p.id from public.profiles p where p.is_superuser
    union
    select u.id from auth.users u where u.raw_app_meta_data -> 'is_superuser' = 'true'::jsonb
  ) a
  where (select private.is_superuser()) and private.may_sign_in(a.id)
$$;
comment on function private.superusers() is 'All superusers, for superusers.';

-- What is not named stays. The audit log and the guard of the last superuser are triggers of the table.
create function private.change_profile(account uuid, changes jsonb) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_superuser();
  if changes = '{}' then
    return exists (select from public.profiles p where p.id = account);
  end if;
  update public.profiles p set
    username = case when changes ? 'username' then changes ->> 'username' else p.username end,
    full_name = case when changes ? 'full_name' then changes ->> 'full_name' else p.full_name end,
    locale = case when changes ? 'locale' then changes ->> 'locale' else p.locale end,
    is_active = coalesce((changes ->> 'is_active')::boolean, p.is_active),
    is_superuser = coalesce((changes ->> 'is_superuser')::boolean, p.is_superuser)
  where p.id = account;
  return found;
end $$;
comment on function private.change_profile(uuid, jsonb) is
  'A superuser changes a profile: username, full_name, locale, is_active, is_superuser. Whether there is such a profile.';

create function private.is_last_superuser(account uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_superuser();
  return not exists (select from private.superusers() other where other <> account);
end $$;
comment on function private.is_last_superuser(uuid) is 'Whether there would be no superuser without this account.';

-- What no trigger sees: that many accounts were made at once, or that Supabase Auth was asked for something.
create function private.note_administration(action text, subject uuid, details jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_superuser();
  perform private.add_to_audit_log('administration.' || action, subject, details);
end $$;
comment on function private.note_administration(text, uuid, jsonb) is 'A superuser adds an entry to the audit log.';

create index profiles_created_idx on public.profiles (created_at, id);
create index profiles_email_idx on public.profiles (coalesce(email, ''), id);
create index profiles_name_idx on public.profiles (lower(coalesce(full_name, '')), id);

-- Numbers --------------------------------------------------------------------------------------------------------

-- To count a million tasks takes longer than anybody should wait, so they are counted as they are written. One counter
-- would make all who write wait for each other: each statement adds a row to `task_count_changes` instead, and the
-- worker adds these up. What is counted is their sum, right at every moment, also while no worker runs.
create table private.task_counts (
  status public.task_status not null,
  priority public.task_priority not null,
  due_on date not null,
  tasks bigint not null,
  primary key (status, priority, due_on)
);
comment on table private.task_counts is 'How many tasks there are of each kind, but for what stands in task_count_changes.';
comment on column private.task_counts.status is 'Their status.';
comment on column private.task_counts.priority is 'Their priority.';
comment on column private.task_counts.due_on is 'The day in UTC on which open tasks are due; infinity: on none, or not open.';
comment on column private.task_counts.tasks is 'How many.';

create table private.task_count_changes (
  id bigint generated always as identity primary key,
  status public.task_status not null,
  priority public.task_priority not null,
  due_on date not null,
  tasks bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
comment on table private.task_count_changes is 'What the statements since have made of task_counts.';
comment on column private.task_count_changes.id is 'In no order that matters.';
comment on column private.task_count_changes.status is 'The status of the tasks.';
comment on column private.task_count_changes.priority is 'Their priority.';
comment on column private.task_count_changes.due_on is 'As in task_counts.';
comment on column private.task_count_changes.tasks is 'How many more, or fewer, there are.';

alter table private.task_counts enable row level security;
alter table private.task_count_changes enable row level security;
revoke all on private.task_counts, private.task_count_changes from anon, authenticated, service_role;
grant select on private.task_counts, private.task_count_changes to service_role;

create function private.due_on(status public.task_status, due_at timestamptz) returns date
language sql immutable set search_path = '' as $$
  select case when status in ('pending', 'in_progress') and due_at is not null
    then (due_at at time zone 'UTC')::date else 'infinity'::date end
$$;
comment on function private.due_on(public.task_status, timestamptz) is 'The day in UTC on which an open task is due.';

create function private.count_tasks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  case tg_op
    when 'INSERT' then
      insert into private.task_count_changes (status, priority, due_on, tasks)
      select status, priority, private.due_on(status, due_at), count(*) from written group by 1, 2, 3;
    when 'DELETE' then
      insert into private.task_count_changes (status, priority, due_on, tasks)
      select status, priority, private.due_on(status, due_at), -count(*) from unwritten group by 1, 2, 3;
    when 'UPDATE' then
      insert into private.task_count_changes (status, priority, due_on, tasks)
      select status, priority, due_on, sum(tasks) from (
        select status, priority, private.due_on(status, due_at) as due_on, 1 as tasks from written
        union all
        select status, priority, private.due_on(status, due_at), -1 from unwritten
      ) changes group by 1, 2, 3 having sum(tasks) <> 0;
    else
      delete from private.task_counts;
      delete from private.task_count_changes;
  end case;
  return null;
end $$;
comment on function private.count_tasks() is 'Trigger: write down how many tasks more, or fewer, a statement has made.';

create trigger count_new_tasks after insert on public.tasks
  referencing new table as written for each statement execute function private.count_tasks();
create trigger count_changed_tasks after update on public.tasks
  referencing old table as unwritten new table as written for each statement execute function private.count_tasks();
create trigger count_deleted_tasks after delete on public.tasks
  referencing old table as unwritten for each statement execute function private.count_tasks();
create trigger count_no_tasks after truncate on public.tasks
  for each statement execute function private.count_tasks();
comment on trigger count_new_tasks on public.tasks is 'Keeps the numbers of the dashboard.';
comment on trigger count_changed_tasks on public.tasks is 'Keeps the numbers of the dashboard.';
comment on trigger count_deleted_tasks on public.tasks is 'Keeps the numbers of the dashboard.';
comment on trigger count_no_tasks on public.tasks is 'Keeps the numbers of the dashboard.';

-- Nobody writes tasks meanwhile: the triggers have locked the table.
insert into private.task_counts (status, priority, due_on, tasks)
select status, priority, private.due_on(status, due_at), count(*) from public.tasks group by 1, 2, 3;

create function private.add_up_task_counts() returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('private.add_up_task_counts', 0)) then
    return;
  end if;
  with added as (
    delete from private.task_count_changes returning status, priority, due_on, tasks
  ), sums as (
    select status, priority, due_on, sum(tasks) as tasks from added group by 1, 2, 3 having sum(tasks) <> 0
  )
  insert into private.task_counts as counted (status, priority, due_on, tasks)
  select status, priority, due_on, tasks from sums
  on conflict (status, priority, due_on) do update set tasks = counted.tasks + excluded.tasks;
  delete from private.task_counts where tasks = 0;
end $$;
comment on function private.add_up_task_counts() is 'Move what stands in task_count_changes into task_counts.';

-- Which of today's tasks are overdue changes with the clock, and is counted in this index.
create index tasks_open_due_idx on public.tasks (due_at) where status in ('pending', 'in_progress') and due_at is not null;

-- The numbers of everybody, for superusers.
create function private.all_numbers(days integer) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
  today constant date := now() at time zone 'UTC';
begin
  perform private.require_superuser();
  return (
    with counted as (
      select status, priority, due_on, tasks from private.task_counts
      union all
      select status, priority, due_on, tasks from private.task_count_changes
    ), by_kind as (
      select status, priority, sum(tasks) as tasks, sum(tasks) filter (where due_on < today) as overdue
      from counted group by 1, 2
    ), accounts as (
      select
        greatest((created_at at time zone 'UTC')::date, today - days) as day,
        count(*) as total, count(*) filter (where is_active) as active
      from public.profiles where not is_deleted group by 1
    )
    select json_build_object(
      'scope', 'all',
      'users', json_build_object(
        'total', (select coalesce(sum(total), 0) from accounts),
        'active', (select coalesce(sum(active), 0) from accounts),
        'new_per_day', (
          select json_agg(json_build_object('day', d.day::date, 'users', coalesce(a.total, 0)) order by d.day)
          from generate_series(today - days + 1, today, interval '1 day') d (day) left join accounts a on a.day = d.day::date
        )
      ),
      'counted_at', now(),
      'tasks', json_build_object(
        'total', (select coalesce(sum(tasks), 0) from by_kind),
        'by_status', (
          select json_object_agg(s, coalesce((select sum(tasks) from by_kind where status = s), 0))
          from unnest(enum_range(null::public.task_status)) s
        ),
        'by_priority', (
          select json_object_agg(p, coalesce((select sum(tasks) from by_kind where priority = p), 0))
          from unnest(enum_range(null::public.task_priority)) p
        ),
        'overdue', (select coalesce(sum(overdue), 0) from by_kind) + (
          select count(*) from public.tasks
          where status in ('pending', 'in_progress') and due_at is not null
            and due_at >= today::timestamp at time zone 'UTC' and due_at < now()
        )
      )
    )
  );
end $$;
comment on function private.all_numbers(integer) is
  'Users and tasks in numbers, of everybody, with new users of so many days. For superusers.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke execute on all functions in schema private from public;
grant execute on function
  private.require_superuser(), private.account_facts(uuid), private.superusers(), private.change_profile(uuid, jsonb),
  private.is_last_superuser(uuid), private.note_administration(text, uuid, jsonb), private.all_numbers(integer)
  to authenticated;
grant execute on function private.add_up_task_counts() to job_worker;
