-- What tasks mean, as vectors: a queue of tasks to embed, filled by triggers and emptied by the role `embedder`, and a
-- table of vectors beside the tasks. Not a column of theirs: `updated_at` is indexed, so each change of a task would
-- enter an unchanged vector into its index once more, and every read of a task would have 1.5 kB to step over.
-- Where pgvector 0.8 is missing, everything but the vectors is there: tasks are found by their words alone.

-- The role that embeds ------------------------------------------------------------------------------------------

do $$ begin
  create role embedder nologin noinherit;
exception when duplicate_object then null;  -- roles belong to the whole cluster
end $$;

grant embedder to api_main;
grant usage on schema public, private to embedder;
grant select (id, owner_id, title, description) on public.tasks to embedder;

create policy "The embedder reads the words of tasks" on public.tasks for select to embedder using (true);
comment on policy "The embedder reads the words of tasks" on public.tasks is
  'Of everybody''s. It is granted id, owner_id, title and description, and may write nothing.';

-- The queue -----------------------------------------------------------------------------------------------------

create table private.tasks_to_embed (
  task_id uuid primary key references public.tasks on delete cascade,
  revision integer not null default 1,
  claimed_until timestamptz
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

comment on table private.tasks_to_embed is 'Tasks whose words no vector stands for yet: a queue.';
comment on column private.tasks_to_embed.task_id is 'The task.';
comment on column private.tasks_to_embed.revision is
  'Counts changes while the row waits: whoever embeds other words than these must not delete it.';
comment on column private.tasks_to_embed.claimed_until is 'Until then somebody is at it. Empty, or over: nobody.';

alter table private.tasks_to_embed enable row level security;
create policy "The embedder sees the queue" on private.tasks_to_embed for select to embedder using (true);
create policy "The embedder queues what an older model embedded" on private.tasks_to_embed
  for insert to embedder with check (true);
create policy "The embedder claims tasks" on private.tasks_to_embed
  for update to embedder using (true) with check (true);
create policy "The embedder takes out what is embedded" on private.tasks_to_embed for delete to embedder using (true);
comment on policy "The embedder sees the queue" on private.tasks_to_embed is 'All of it.';
comment on policy "The embedder queues what an older model embedded" on private.tasks_to_embed is 'Tasks by id alone.';
comment on policy "The embedder claims tasks" on private.tasks_to_embed is 'Only claimed_until is granted.';
comment on policy "The embedder takes out what is embedded" on private.tasks_to_embed is 'At the revision that it saw.';

revoke all on private.tasks_to_embed from anon, authenticated, service_role;
grant select, insert (task_id), update (claimed_until), delete on private.tasks_to_embed to embedder;
grant select, insert, update, delete on private.tasks_to_embed to service_role;

-- Definer: whoever writes a task may not write the queue. Of a burst of writes the first one alone notifies: sending
-- makes transactions commit one after another, and whoever embeds goes on until the queue is empty. What slips through
-- between its last look and a commit is found by its next sweep.
create function private.queue_new_tasks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from private.tasks_to_embed) then
    notify tasks_to_embed;
  end if;
  insert into private.tasks_to_embed (task_id) select id from written;
  return null;
end $$;
comment on function private.queue_new_tasks() is 'Trigger: queue new tasks, to be embedded.';

create function private.queue_changed_task() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from private.tasks_to_embed) then
    notify tasks_to_embed;
  end if;
  insert into private.tasks_to_embed as waiting (task_id) values (new.id)
  on conflict (task_id) do update set revision = waiting.revision + 1, claimed_until = null;
  if old.owner_id <> new.owner_id and to_regclass('public.task_embeddings') is not null then
    delete from public.task_embeddings where task_id = new.id;
  end if;
  return null;
end $$;
comment on function private.queue_changed_task() is
  'Trigger: queue a task whose words or owner have changed, to be embedded again.';

create trigger queue_new_tasks after insert on public.tasks
  referencing new table as written for each statement execute function private.queue_new_tasks();
create trigger queue_changed_task after update of title, description, owner_id on public.tasks for each row
  when ((old.title, old.description, old.owner_id) is distinct from (new.title, new.description, new.owner_id))
  execute function private.queue_changed_task();
comment on trigger queue_new_tasks on public.tasks is 'Has new tasks embedded.';
comment on trigger queue_changed_task on public.tasks is 'Has tasks embedded again. A change of status is none.';

-- The vectors ---------------------------------------------------------------------------------------------------

-- A function, so that `python -m api_main migrate` can run it again once pgvector has been installed.
create function private.create_task_embeddings() returns boolean
language plpgsql set search_path = '' as $$
declare
  offered constant text := (select default_version from pg_available_extensions where name = 'vector');
  installed text;
  place text;
begin
  if to_regclass('public.task_embeddings') is not null then
    return true;
  end if;
  if offered is null or string_to_array(offered, '.')::int[] < array[0, 8] then
    raise warning 'pgvector 0.8 or newer is not installed on this server: tasks will be found by their words alone.'
      using hint = 'Install it, then run "python -m api_main migrate".';
    return false;
  end if;
  begin
    create extension if not exists vector with schema extensions;
  exception when insufficient_privilege then
    raise warning 'This role may not create the extension vector: tasks will be found by their words alone.'
      using hint = 'As a superuser: create extension vector schema extensions; then "python -m api_main migrate".';
    return false;
  end;
  select n.nspname, e.extversion into place, installed
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  if place <> 'extensions' or string_to_array(installed, '.')::int[] < array[0, 8] then
    raise exception 'pgvector % is installed in the schema %.', installed, place
      using hint = 'alter extension vector set schema extensions; alter extension vector update;';
  end if;

  begin
    grant usage on schema extensions to embedder;
  exception when insufficient_privilege then null;  -- somebody else's schema, which is everybody's to use
  end;

  create table public.task_embeddings (
    task_id uuid primary key references public.tasks on delete cascade,
    owner_id uuid not null,
    model text not null,
    model_version text not null,
    embedding extensions.vector(384) not null,
    embedded_at timestamptz not null default now()
  );
  comment on table public.task_embeddings is 'What tasks mean, as vectors. Kept by the API.';
  comment on column public.task_embeddings.task_id is 'The task.';
  comment on column public.task_embeddings.owner_id is 'Its owner, who alone may compare with it.';
  comment on column public.task_embeddings.model is 'The model that made the vector.';
  comment on column public.task_embeddings.model_version is 'And its version: others are not comparable.';
  comment on column public.task_embeddings.embedding is 'Of title and description; its length is 1.';
  comment on column public.task_embeddings.embedded_at is 'When it was made.';

  create index task_embeddings_nearest_idx on public.task_embeddings
    using hnsw (embedding extensions.vector_cosine_ops);
  create index task_embeddings_model_idx on public.task_embeddings (model, model_version);
  -- None on owner_id: whoever owns few tasks reaches their vectors through them, and for whoever owns many the planner,
  -- who does not know which it is, must not sort all of theirs.

  alter table public.task_embeddings enable row level security;
  create policy "An owner compares their tasks" on public.task_embeddings
    for select to authenticated using (owner_id = (select auth.uid()));
  create policy "The embedder sees the vectors" on public.task_embeddings for select to embedder using (true);
  create policy "The embedder adds vectors" on public.task_embeddings for insert to embedder
    with check (exists (select from public.tasks t where t.id = task_id and t.owner_id = task_embeddings.owner_id));
  create policy "The embedder replaces vectors" on public.task_embeddings for update to embedder
    using (true)
    with check (exists (select from public.tasks t where t.id = task_id and t.owner_id = task_embeddings.owner_id));
  comment on policy "An owner compares their tasks" on public.task_embeddings is 'Nobody else does.';
  comment on policy "The embedder sees the vectors" on public.task_embeddings is 'All but the vectors themselves.';
  comment on policy "The embedder adds vectors" on public.task_embeddings is 'Under the owner of the task alone.';
  comment on policy "The embedder replaces vectors" on public.task_embeddings is 'Under the owner of the task alone.';

  revoke all on public.task_embeddings from anon, authenticated, service_role;
  grant select on public.task_embeddings to authenticated;
  grant select (task_id, owner_id, model, model_version), insert,
    update (owner_id, model, model_version, embedding, embedded_at) on public.task_embeddings to embedder;
  grant select, insert, update, delete on public.task_embeddings to service_role;

  insert into private.tasks_to_embed (task_id) select id from public.tasks on conflict do nothing;
  return true;
end $$;
comment on function private.create_task_embeddings() is
  'Makes the table of vectors, unless it exists. False where pgvector 0.8 is missing.';

revoke execute on all functions in schema private from public;

insert into private.tasks_to_embed (task_id) select id from public.tasks;
select private.create_task_embeddings();
