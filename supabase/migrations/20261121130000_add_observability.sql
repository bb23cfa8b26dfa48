-- What may be known from outside about how the system does: how long work waits, which statements take longest, and to
-- which trace a job belongs. The role `observer` may call two functions, and read nothing.

do $$ begin
  create role observer nologin noinherit;
exception when duplicate_object then null;  -- roles belong to the whole cluster
end $$;
grant observer to api_main;
grant usage on schema private to observer;

-- To which trace a job belongs ---------------------------------------------------------------------------------------

-- The default is the column's, so that whatever queues a job need not know of traces: the API sets the setting in the
-- transaction of a request that is traced.
alter table public.jobs
  add column traceparent text default nullif(current_setting('request.traceparent', true), '')
  check (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
comment on column public.jobs.traceparent is
  'W3C trace context of the request that asked for it. Empty: not traced. For workers alone.';

-- How long work waits ------------------------------------------------------------------------------------------------

alter table private.tasks_to_embed add column queued_at timestamptz not null default now();
comment on column private.tasks_to_embed.queued_at is 'Since when the task waits, through all changes of its words.';

-- Definer: the observer sees numbers, never a row. A job whose retry is not yet due does not wait.
create function private.queue_ages(
  out jobs_waiting bigint, out jobs_oldest_seconds double precision, out jobs_running bigint,
  out embeddings_waiting bigint, out embeddings_oldest_seconds double precision
)
language plpgsql stable security definer set search_path = '' as $$
begin
  select count(*), coalesce(extract(epoch from now() - min(greatest(j.created_at, q.scheduled_at))), 0)
  into jobs_waiting, jobs_oldest_seconds
  from procrastinate.procrastinate_jobs q
  join public.jobs j on j.queue_id = q.id and j.state = 'queued'
  where q.status = 'todo' and (q.scheduled_at is null or q.scheduled_at <= now());
  select count(*) into jobs_running from procrastinate.procrastinate_jobs where status = 'doing';
  select count(*), coalesce(extract(epoch from now() - min(queued_at)), 0)
  into embeddings_waiting, embeddings_oldest_seconds
  from private.tasks_to_embed;
end $$;
comment on function private.queue_ages() is
  'How many jobs and tasks wait for a worker and for the embedder, and for how many seconds the oldest of each does.';

-- Which statements take longest --------------------------------------------------------------------------------------

-- Definer: pg_stat_statements shows the text of other roles' statements to those alone who may read all statistics. It
-- normalises what reads and writes rows; anything else could hold a password, and is left out.
create function private.slowest_statements(most integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  place constant text := (
    select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements');
  found jsonb;
begin
  if place is null then
    return null;
  end if;
  execute format($query$
    select coalesce(jsonb_agg(to_jsonb(s) order by s.mean_ms desc), '[]') from (
      select query, calls, rows, mean_exec_time as mean_ms, max_exec_time as max_ms, total_exec_time as total_ms
      from %I.pg_stat_statements
      where dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
        and query ~* '^\s*(select|insert|update|delete|merge|with)\M'
      order by mean_exec_time desc limit $1
    ) s $query$, place) into found using most;
  return found;
exception when object_not_in_prerequisite_state then  -- installed, but the server does not load it
  return null;
end $$;
comment on function private.slowest_statements(integer) is
  'The statements of this database that take longest on average, without their parameters. Null where nobody counts.';

revoke execute on all functions in schema private from public;
grant execute on function private.queue_ages(), private.slowest_statements(integer) to observer;
