-- What has changed, for those who are looking: one feed of events for each account, about its tasks and its jobs, kept
-- for a short time. Whoever knows the id of the last event that they have seen is given all that came after it.
--
-- An event is written with the change itself and numbered while the transaction commits, under a lock on the feed that
-- the commit releases. So the ids of a feed are 1, 2, 3, … in the order of the commits: whoever sees one has been able
-- to see all before it. A sequence would not do: its numbers become visible in any order. And a lock that is taken with
-- the first change, not with the commit, would keep an account waiting for its own import.

create table public.live_feeds (
  owner_id uuid primary key references auth.users on delete cascade,
  last_id bigint not null
) with (fillfactor = 50);

comment on table public.live_feeds is 'How many events an account has had. Row Level Security shows it to the account alone.';
comment on column public.live_feeds.owner_id is 'The account.';
comment on column public.live_feeds.last_id is 'The id of its newest event.';

-- One row for each kind of change that a statement has made for an account: a thousand new tasks are one row.
create table public.live_events (
  transaction bigint not null default pg_current_xact_id()::text::bigint,
  number bigint generated always as identity,
  owner_id uuid not null,
  topic text not null check (topic in ('tasks', 'jobs')),
  change text not null check (change in ('created', 'updated', 'deleted')),
  subjects uuid[],
  last_id bigint,
  created_at timestamptz not null default now(),
  primary key (transaction, number)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

comment on table public.live_events is
  'What has changed lately. Row Level Security shows it to the owner alone; private.sweep_live_events deletes it soon.';
comment on column public.live_events.transaction is 'The transaction that made the change.';
comment on column public.live_events.number is 'Orders the changes of one transaction; says nothing of others.';
comment on column public.live_events.owner_id is 'Whose feed it belongs to. Of an account that is gone, swept like the rest.';
comment on column public.live_events.topic is 'The table: tasks or jobs.';
comment on column public.live_events.change is 'created, updated or deleted, as the owner sees it.';
comment on column public.live_events.subjects is 'The ids of the rows, an event each. Empty: more than a thousand, as one event.';
comment on column public.live_events.last_id is 'The id of the last of these events in their feed. Empty until the commit.';
comment on column public.live_events.created_at is 'When it was committed.';

-- Partial: the row is written before it has an id.
create unique index live_events_feed_idx on public.live_events (owner_id, last_id) where last_id is not null;

-- Writing --------------------------------------------------------------------------------------------------------

-- Definer: whoever changes a row may not write its event. A row that is given away is deleted for the one and created
-- for the other.
create function private.record_live_events() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  case tg_op
    when 'INSERT' then
      insert into public.live_events (owner_id, topic, change, subjects)
      select owner_id, tg_table_name, 'created', case when count(*) <= 1000 then array_agg(id) end
      from after group by owner_id;
    when 'DELETE' then
      insert into public.live_events (owner_id, topic, change, subjects)
      select owner_id, tg_table_name, 'deleted', case when count(*) <= 1000 then array_agg(id) end
      from before group by owner_id;
    else
      insert into public.live_events (owner_id, topic, change, subjects)
      select c.owner_id, tg_table_name, c.change, case when count(*) <= 1000 then array_agg(c.id) end
      from (
        select id, owner_id,
          case when before.version is null then 'created' when after.version is null then 'deleted' else 'updated' end as change
        from before full join after using (id, owner_id)
      ) c group by c.owner_id, c.change;
  end case;
  return null;
end $$;
comment on function private.record_live_events() is 'Trigger: write down what a statement has changed, for the owners.';

-- The first event of a transaction numbers all of them, feed by feed in one order, so that no two transactions wait for
-- each other. An account that is being deleted has no feed any more. By the indexes: plans are made while the tables are
-- small, and a statement may change rows of a hundred thousand accounts.
create function private.number_live_events() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  if not exists (
    select from public.live_events
    where transaction = new.transaction and number = new.number and last_id is null
  ) then
    return null;
  end if;
  insert into public.live_feeds as known (owner_id, last_id)
  select e.owner_id, sum(coalesce(cardinality(e.subjects), 1))
  from public.live_events e join auth.users u on u.id = e.owner_id
  where e.transaction = new.transaction and e.last_id is null
  group by e.owner_id order by e.owner_id
  on conflict (owner_id) do update set last_id = known.last_id + excluded.last_id;
  update public.live_events e
  set last_id = f.last_id - c.later, created_at = clock_timestamp()
  from (
    select number, owner_id, sum(coalesce(cardinality(subjects), 1)) over (partition by owner_id order by number desc)
      - coalesce(cardinality(subjects), 1) as later
    from public.live_events
    where transaction = new.transaction and last_id is null
  ) c join public.live_feeds f on f.owner_id = c.owner_id
  where e.transaction = new.transaction and e.number = c.number;
  perform pg_notify('live_events', f.owner_id || ' ' || f.last_id)
  from (select distinct owner_id from public.live_events where transaction = new.transaction) c
    join public.live_feeds f on f.owner_id = c.owner_id;
  delete from public.live_events where transaction = new.transaction and last_id is null;
  return null;
end $$;
comment on function private.number_live_events() is
  'Trigger: give the events of a transaction their ids as it commits, and wake whoever follows their feeds.';

create constraint trigger number_live_events after insert on public.live_events
  deferrable initially deferred for each row execute function private.number_live_events();
comment on trigger number_live_events on public.live_events is 'As late as can be: it locks the feed until the commit.';

-- An account may come back under its id, as when it is moved here a second time, and its feed then begins anew.
create function private.forget_live_events() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.live_events where owner_id = old.owner_id and last_id is not null;
  return null;
end $$;
comment on function private.forget_live_events() is 'Trigger: delete what is left of a feed whose account is gone.';

create trigger forget_live_events after delete on public.live_feeds
  for each row execute function private.forget_live_events();
comment on trigger forget_live_events on public.live_feeds is 'Ids must not be given twice.';

create trigger record_new_tasks after insert on public.tasks
  referencing new table as after for each statement execute function private.record_live_events();
create trigger record_changed_tasks after update on public.tasks
  referencing old table as before new table as after for each statement execute function private.record_live_events();
create trigger record_deleted_tasks after delete on public.tasks
  referencing old table as before for each statement execute function private.record_live_events();
create trigger record_new_jobs after insert on public.jobs
  referencing new table as after for each statement execute function private.record_live_events();
create trigger record_changed_jobs after update on public.jobs
  referencing old table as before new table as after for each statement execute function private.record_live_events();
create trigger record_deleted_jobs after delete on public.jobs
  referencing old table as before for each statement execute function private.record_live_events();

comment on trigger record_new_tasks on public.tasks is 'Tells the owner.';
comment on trigger record_changed_tasks on public.tasks is 'Tells the owner. Vectors are kept elsewhere: they are no change.';
comment on trigger record_deleted_tasks on public.tasks is 'Tells the owner.';
comment on trigger record_new_jobs on public.jobs is 'Tells the owner.';
comment on trigger record_changed_jobs on public.jobs is 'Tells the owner, of progress as well.';
comment on trigger record_deleted_jobs on public.jobs is 'Tells the owner.';

-- For the processes that pass events on --------------------------------------------------------------------------

create function private.live_heads(owners uuid[]) returns table (owner_id uuid, last_id bigint)
language sql stable security definer set search_path = ''
as $$
  select f.owner_id, f.last_id from public.live_feeds f where f.owner_id = any (owners)
$$;
comment on function private.live_heads(uuid[]) is
  'How far these feeds are: for a process that follows them, and may have missed a notification.';

create function private.sweep_live_events(keep interval) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
declare
  swept bigint;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('private.sweep_live_events', 0)) then
    return 0;  -- another process is at it
  end if;
  delete from public.live_events where last_id is not null and created_at < now() - keep;
  get diagnostics swept = row_count;
  return swept;
end $$;
comment on function private.sweep_live_events(interval) is 'Delete events that are older. How many rows those were.';

-- Presence -------------------------------------------------------------------------------------------------------

-- A channel is a name. It belongs to those whose accounts an administrator has given it: `channels` in the app_metadata,
-- which nobody can write into their own. So whoever joins is seen by people who have been put there as well, and by
-- nobody else. Each process of the API keeps the rows of those who are connected to it; what a process leaves behind
-- that was killed runs out.
create unlogged table private.presences (
  channel text not null check (char_length(channel) between 1 and 100),
  user_id uuid not null,
  process uuid not null,
  seen_at timestamptz not null default now(),
  primary key (channel, user_id, process)
);

comment on table private.presences is 'Who is connected to a presence channel. The functions below alone reach it.';
comment on column private.presences.channel is 'The name of the channel.';
comment on column private.presences.user_id is 'Who is there.';
comment on column private.presences.process is 'The process of the API to which they are connected.';
comment on column private.presences.seen_at is 'When that process last said so.';

create function private.shares_channel(account uuid, wanted text) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from auth.users u
    where u.id = account and jsonb_typeof(u.raw_app_meta_data -> 'channels') = 'array'
      and u.raw_app_meta_data -> 'channels' ? wanted
  )
$$;
comment on function private.shares_channel(uuid, text) is 'Whether an administrator has given an account this channel.';

create function private.join_presence(wanted text, own_process uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if not private.shares_channel(auth.uid(), wanted) then
    return false;
  end if;
  insert into private.presences (channel, user_id, process) values (wanted, auth.uid(), own_process)
  on conflict do nothing;
  if found then
    perform pg_notify('presences', wanted);
  end if;
  return true;
end $$;
comment on function private.join_presence(text, uuid) is 'Be seen in a channel. False, if it is not the caller''s.';

create function private.leave_presence(wanted text, own_process uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  delete from private.presences where channel = wanted and user_id = auth.uid() and process = own_process;
  if found then
    perform pg_notify('presences', wanted);
  end if;
end $$;
comment on function private.leave_presence(text, uuid) is 'Be seen in a channel no longer.';

create function private.present_in(wanted text) returns table (user_id uuid)
language sql stable security definer set search_path = ''
as $$
  select distinct p.user_id from private.presences p
  where p.channel = wanted and p.seen_at > now() - interval '90 s'
    and private.shares_channel(auth.uid(), wanted) and private.shares_channel(p.user_id, wanted)
  order by p.user_id
$$;
comment on function private.present_in(text) is 'Who is in a channel now. Nobody, if it is not the caller''s.';

create function private.keep_presences(own_process uuid, channels text[], users uuid[]) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  changed text;
begin
  for changed in
    with here as (
      select h.channel, h.user_id from unnest(channels, users) as h (channel, user_id)
    ), kept as (
      insert into private.presences as p (channel, user_id, process) select channel, user_id, own_process from here
      on conflict (channel, user_id, process) do update set seen_at = now()
      returning p.channel, p.xmax = 0 as is_new
    ), gone as (
      delete from private.presences p
      where p.seen_at < now() - interval '90 s' and p.process <> own_process
        or p.process = own_process and not exists (
          select from here where here.channel = p.channel and here.user_id = p.user_id)
      returning p.channel
    )
    select channel from kept where is_new union select channel from gone
  loop
    perform pg_notify('presences', changed);
  end loop;
end $$;
comment on function private.keep_presences(uuid, text[], uuid[]) is
  'Who is connected to a process: they and nobody else. Forgets those as well whom dead processes have left behind.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke execute on all functions in schema private from public;
grant execute on function
  private.live_heads(uuid[]), private.sweep_live_events(interval), private.keep_presences(uuid, text[], uuid[])
  to job_worker;
grant execute on function
  private.join_presence(text, uuid), private.leave_presence(text, uuid), private.present_in(text)
  to authenticated;

alter table public.live_feeds enable row level security;
alter table public.live_events enable row level security;
alter table private.presences enable row level security;

create policy "A person sees how far their feed is" on public.live_feeds
  for select to authenticated using (owner_id = (select auth.uid()));
create policy "A person sees their events" on public.live_events
  for select to authenticated using (owner_id = (select auth.uid()));
comment on policy "A person sees how far their feed is" on public.live_feeds is 'And nobody else''s.';
comment on policy "A person sees their events" on public.live_events is 'And nobody else''s. Triggers alone write them.';

revoke all on public.live_feeds, public.live_events, private.presences from anon, authenticated, service_role;
grant select on public.live_feeds, public.live_events to authenticated;
grant select, insert, update, delete on public.live_feeds, public.live_events to service_role;
