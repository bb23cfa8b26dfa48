-- Background jobs. A job belongs to one account, which alone sees it. People ask for one, and cancel it, through the two
-- functions below; only a worker writes what becomes of it. The queue itself is procrastinate's.

do $$ begin
  create role job_worker nologin noinherit;
exception when duplicate_object then null;  -- roles belong to the whole cluster
end $$;
grant job_worker to api_main;

create type public.job_state as enum ('queued', 'running', 'succeeded', 'failed', 'cancelled');
create type public.job_priority as enum ('low', 'normal', 'high');
comment on type public.job_state is 'How far a job has come. The last three are for good.';
comment on type public.job_priority is 'Which of the queued jobs comes first.';

create table public.jobs (
  id uuid primary key default gen_random_uuid(),
  owner_id uuid not null references auth.users on delete cascade,
  kind text not null check (kind ~ '^[a-z_]{1,50}\.[a-z_]{1,50}$'),
  parameters jsonb not null default '{}',
  priority public.job_priority not null default 'normal',
  state public.job_state not null default 'queued',
  attempts integer not null default 0,
  done integer not null default 0,
  total integer,
  result jsonb,
  error jsonb,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  expires_at timestamptz,
  claims jsonb not null default '{}',
  failures integer not null default 0,
  queue_id bigint
);

comment on table public.jobs is 'One row per background job. Row Level Security shows it to its owner alone.';
comment on column public.jobs.id is 'Names the job in the API.';
comment on column public.jobs.owner_id is 'Who asked for it, and as whom it runs.';
comment on column public.jobs.kind is 'What it does, such as tasks.export.';
comment on column public.jobs.parameters is 'How, as it was asked for.';
comment on column public.jobs.priority is 'Among all that are queued.';
comment on column public.jobs.state is 'Written by workers, and by private.cancel_job.';
comment on column public.jobs.attempts is 'How often it was begun. Whoever began it last may finish it.';
comment on column public.jobs.done is 'How much of `total` is done, in rows or the like.';
comment on column public.jobs.total is 'How much there is to do. Empty: not known yet.';
comment on column public.jobs.result is 'Of a job that succeeded: a summary, and name, media type and size of its file.';
comment on column public.jobs.error is 'Of a job that failed: code, message and details.';
comment on column public.jobs.version is 'Counts changes. Kept by a trigger.';
comment on column public.jobs.created_at is 'When it was asked for.';
comment on column public.jobs.started_at is 'When it was first begun.';
comment on column public.jobs.finished_at is 'When it succeeded, failed or was cancelled. Kept by a trigger.';
comment on column public.jobs.expires_at is 'When the job and its files are deleted. Set once it is finished.';
comment on column public.jobs.claims is 'The claims of the token that asked for it. For workers alone.';
comment on column public.jobs.failures is 'Attempts that failed, or whose worker was lost. For workers alone.';
comment on column public.jobs.queue_id is 'Its row in procrastinate.procrastinate_jobs. For workers alone.';

create index jobs_owner_created_idx on public.jobs (owner_id, created_at, id);
create index jobs_queue_idx on public.jobs (queue_id);
create index jobs_expiry_idx on public.jobs (expires_at);

create table public.job_files (
  job_id uuid not null references public.jobs on delete cascade,
  purpose text not null check (purpose in ('input', 'result')),
  part integer not null check (part >= 0),
  content bytea not null,
  primary key (job_id, purpose, part)
);

comment on table public.job_files is 'What a job reads, until it is finished, and what it made. Shown to its owner alone.';
comment on column public.job_files.job_id is 'The job.';
comment on column public.job_files.purpose is 'input or result.';
comment on column public.job_files.part is 'Files are cut into parts, counted from 0.';
comment on column public.job_files.content is 'The bytes of this part.';

-- What happens by itself -----------------------------------------------------------------------------------------

create function private.touch_job() returns trigger language plpgsql set search_path = '' as $$
begin
  new.version := old.version + 1;
  if new.state in ('succeeded', 'failed', 'cancelled') and old.state in ('queued', 'running') then
    new.finished_at := now();
  end if;
  return new;
end $$;
comment on function private.touch_job() is 'Trigger: count a change, and date the end.';

create trigger touch_job before update on public.jobs
  for each row execute function private.touch_job();

create function private.drop_job_input() returns trigger language plpgsql set search_path = '' as $$
begin
  delete from public.job_files where job_id = new.id and purpose = 'input';
  return null;
end $$;
comment on function private.drop_job_input() is 'Trigger: a job that is finished needs its input no longer.';

create trigger drop_job_input after update of state on public.jobs
  for each row when (new.state in ('succeeded', 'failed', 'cancelled')) execute function private.drop_job_input();

comment on trigger touch_job on public.jobs is 'Keeps version and finished_at.';
comment on trigger drop_job_input on public.jobs is 'Keeps no input longer than it is needed.';

-- For people -----------------------------------------------------------------------------------------------------

-- The job and its place in the queue are one transaction, the caller's own: accepted means committed. One caller's
-- requests wait for each other, or two at once could both find the last free place.
create function private.enqueue_job(
  wanted_kind text, wanted_parameters jsonb, wanted_priority public.job_priority, input bytea, most integer
) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
  caller constant uuid := auth.uid();
  job constant uuid := gen_random_uuid();
  rank constant integer := case wanted_priority when 'high' then 10 when 'low' then -10 else 0 end;
  queued bigint[];
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs of ' || caller, 0));
  if (select count(*) from public.jobs where owner_id = caller and state in ('queued', 'running')) >= most then
    return null;
  end if;
  queued := procrastinate.procrastinate_defer_jobs_v1(array[
    row('jobs', 'run_job', rank, null, null, jsonb_build_object('job_id', job), null)
      ::procrastinate.procrastinate_job_to_defer_v1
  ]);
  insert into public.jobs (id, owner_id, kind, parameters, priority, claims, queue_id)
  values (job, caller, wanted_kind, wanted_parameters, wanted_priority, auth.jwt(), queued[1]);
  if input is not null then
    insert into public.job_files (job_id, purpose, part, content) values (job, 'input', 0, input);
  end if;
  return job;
end $$;
comment on function private.enqueue_job(text, jsonb, public.job_priority, bytea, integer) is
  'A new job of the caller''s, queued. Nothing, if the caller has that many queued or running already.';

create function private.cancel_job(job uuid, keep interval) returns public.job_state
language plpgsql volatile security definer set search_path = ''
as $$
declare
  caller constant uuid := auth.uid();
  queued bigint;
begin
  update public.jobs set state = 'cancelled', expires_at = now() + keep
  where id = job and owner_id = caller and state in ('queued', 'running')
  returning queue_id into queued;
  perform procrastinate.procrastinate_cancel_job_v1(queued, true, true);
  return (select state from public.jobs where id = job and owner_id = caller);
end $$;
comment on function private.cancel_job(uuid, interval) is
  'Cancel a job of the caller''s unless it is finished; its state now. Nothing, if the caller has no such job.';

-- For workers ----------------------------------------------------------------------------------------------------

-- As job_worker, whose rights are below. Rows of public.jobs are locked before those of the queue, as cancel_job does.
create function private.tidy_jobs(stalled_after interval, most_failures integer, keep interval) returns integer
language plpgsql volatile set search_path = ''
as $$
declare
  stalled record;
  retaken integer := 0;
  lost constant jsonb := jsonb_build_object(
    'code', 'worker_lost', 'message', 'The worker was lost each time that it ran this job.', 'details', null);
begin
  delete from public.jobs where expires_at < now();
  delete from procrastinate.procrastinate_workers where last_heartbeat < now() - stalled_after;
  for stalled in
    select j.id, j.queue_id, j.state in ('queued', 'running') as is_live, j.failures + 1 >= most_failures as is_over
    from public.jobs j
    join procrastinate.procrastinate_jobs q on q.id = j.queue_id
    where q.status = 'doing' and q.worker_id is null
    for update of j skip locked
  loop
    perform from procrastinate.procrastinate_jobs
    where id = stalled.queue_id and status = 'doing' and worker_id is null for update skip locked;
    continue when not found;
    if stalled.is_live and not stalled.is_over then
      update public.jobs set state = 'queued', failures = failures + 1 where id = stalled.id;
      perform procrastinate.procrastinate_retry_job_v2(stalled.queue_id, now(), null, null, null);
      retaken := retaken + 1;
    else
      update public.jobs set state = 'failed', failures = failures + 1, error = lost, expires_at = now() + keep
      where id = stalled.id and stalled.is_live;
      perform procrastinate.procrastinate_finish_job_v1(stalled.queue_id, 'failed', true);
    end if;
  end loop;
  delete from procrastinate.procrastinate_jobs q
  where q.status not in ('todo', 'doing')
    or q.worker_id is null and q.status = 'doing' and not exists (select from public.jobs j where j.queue_id = q.id);
  return retaken;
end $$;
comment on function private.tidy_jobs(interval, integer, interval) is
  'Delete what has expired, and queue the jobs of workers again that were lost. How many those were.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke execute on all functions in schema private from public;
grant execute on function
  private.enqueue_job(text, jsonb, public.job_priority, bytea, integer), private.cancel_job(uuid, interval)
  to authenticated;
grant usage on schema private, procrastinate, public to job_worker;
grant execute on function private.tidy_jobs(interval, integer, interval), private.may_sign_in(uuid) to job_worker;

alter table public.jobs enable row level security;
alter table public.job_files enable row level security;

create policy "An owner sees their jobs" on public.jobs
  for select to authenticated using (owner_id = (select auth.uid()));
create policy "An owner sees the files of their jobs" on public.job_files
  for select to authenticated
  using (exists (select from public.jobs j where j.id = job_id and j.owner_id = (select auth.uid())));
create policy "A worker sees every job" on public.jobs for select to job_worker using (true);
create policy "A worker says what becomes of a job" on public.jobs for update to job_worker using (true);
create policy "A worker deletes jobs that have expired" on public.jobs
  for delete to job_worker using (expires_at < now());
create policy "A worker reads what a job needs" on public.job_files for select to job_worker using (true);
create policy "A worker keeps what a job made" on public.job_files
  for insert to job_worker with check (purpose = 'result');
create policy "A worker deletes input" on public.job_files for delete to job_worker using (purpose = 'input');

comment on policy "An owner sees their jobs" on public.jobs is 'But neither claims nor the queue, which are not granted.';
comment on policy "An owner sees the files of their jobs" on public.job_files is 'To download the result.';
comment on policy "A worker sees every job" on public.jobs is 'What the job touches, it reaches as its owner alone.';
comment on policy "A worker says what becomes of a job" on public.jobs is 'Never whose it is, nor what it is to do.';
comment on policy "A worker deletes jobs that have expired" on public.jobs is 'And with them their files.';
comment on policy "A worker reads what a job needs" on public.job_files is 'Its input.';
comment on policy "A worker keeps what a job made" on public.job_files is 'Once; nobody changes it.';
comment on policy "A worker deletes input" on public.job_files is 'By the trigger, when the job is finished.';

revoke all on public.jobs, public.job_files from anon, authenticated, service_role;
grant select (
  id, owner_id, kind, parameters, priority, state, attempts, done, total, result, error, version,
  created_at, started_at, finished_at, expires_at
) on public.jobs to authenticated;
grant select on public.job_files to authenticated;
grant select, delete on public.jobs to job_worker;
grant update (state, attempts, done, total, result, error, started_at, expires_at, failures) on public.jobs to job_worker;
grant select, insert, delete on public.job_files to job_worker;
grant select, insert, update, delete on public.jobs, public.job_files to service_role;

-- What the functions of the queue do when a worker calls them.
grant select, delete on procrastinate.procrastinate_jobs to job_worker;
grant update (queue_name, priority, lock, status, scheduled_at, attempts, abort_requested, worker_id)
  on procrastinate.procrastinate_jobs to job_worker;
grant select, insert, delete, update (last_heartbeat) on procrastinate.procrastinate_workers to job_worker;
grant insert (job_id, type, at) on procrastinate.procrastinate_events to job_worker;
grant usage on sequence procrastinate.procrastinate_events_id_seq to job_worker;
grant select (job_id), update (job_id) on procrastinate.procrastinate_periodic_defers to job_worker;
grant execute on function
  procrastinate.procrastinate_fetch_job_v2(character varying[], bigint),
  procrastinate.procrastinate_finish_job_v1(bigint, procrastinate.procrastinate_job_status, boolean),
  procrastinate.procrastinate_retry_job_v2(bigint, timestamptz, integer, character varying, character varying),
  procrastinate.procrastinate_register_worker_v1(),
  procrastinate.procrastinate_unregister_worker_v1(bigint),
  procrastinate.procrastinate_update_heartbeat_v1(bigint),
  procrastinate.procrastinate_prune_stalled_workers_v1(double precision)
  to job_worker;
