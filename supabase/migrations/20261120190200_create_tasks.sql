-- Tasks: the reference feature. A task belongs to one account, and only that account sees it.

create type public.task_status as enum ('pending', 'in_progress', 'completed', 'cancelled');
create type public.task_priority as enum ('low', 'medium', 'high', 'urgent');
comment on type public.task_status is 'How far a task has come.';
comment on type public.task_priority is 'How much a task matters, in the order in which it sorts.';

create table public.tasks (
  id uuid primary key default gen_random_uuid(),
  owner_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null check (char_length(title) between 1 and 255),
  description text check (char_length(description) <= 10000),
  status public.task_status not null default 'pending',
  priority public.task_priority not null default 'medium',
  due_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  search tsvector not null generated always as (
    setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', coalesce(description, '')), 'B')
  ) stored
);

comment on table public.tasks is 'One row per task. Row Level Security shows it to its owner alone.';
comment on column public.tasks.id is 'Random, unless whoever creates the task chooses one.';
comment on column public.tasks.owner_id is 'The account that owns the task. Set once.';
comment on column public.tasks.title is 'What there is to do, in 1 to 255 characters.';
comment on column public.tasks.description is 'What else there is to say of it, in at most 10,000 characters.';
comment on column public.tasks.status is 'How far it has come.';
comment on column public.tasks.priority is 'How much it matters.';
comment on column public.tasks.due_at is 'When it should be done. Without one, a task sorts as if due last of all.';
comment on column public.tasks.version is 'Counts changes; the ETag of the API. Kept by a trigger.';
comment on column public.tasks.created_at is 'When the task was made.';
comment on column public.tasks.updated_at is 'When it last changed. Kept by a trigger.';
comment on column public.tasks.search is 'What full-text search matches. Generated from title and description.';

-- One index per order of the list, each led by the owner, by whom every policy seeks. Comparisons of enums are not
-- leakproof, so under Row Level Security status and priority are tested on the owner's rows, not sought; roles that
-- bypass it seek them.
create index tasks_owner_created_idx on public.tasks (owner_id, created_at, id);
create index tasks_owner_updated_idx on public.tasks (owner_id, updated_at, id);
create index tasks_owner_due_idx on public.tasks (owner_id, coalesce(due_at, 'infinity'::timestamptz), id);
create index tasks_owner_priority_idx on public.tasks (owner_id, priority, id);
create index tasks_owner_title_idx on public.tasks (owner_id, lower(title), id);
create index tasks_owner_status_idx on public.tasks (owner_id, status, created_at, id);
-- None on `search`: under Row Level Security a match is only tested on rows that the policy has let through (`@@` is
-- not leakproof), so no plan for an API role could use it. The owner's index finds those rows.

create function private.touch_task() returns trigger language plpgsql set search_path = '' as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;
comment on function private.touch_task() is 'Trigger: count and date a change.';

create trigger touch_task before update on public.tasks
  for each row execute function private.touch_task();

-- Every word must be the beginning of a word of the task. Text without a word matches nothing.
create function private.prefix_query(words text) returns tsquery
language sql immutable parallel safe set search_path = ''
as $$
  select coalesce(
    string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''':*', ' & '), ''
  )::tsquery
  from unnest(to_tsvector('simple', words))
$$;
comment on function private.prefix_query(text) is 'Free text as a full-text query that matches beginnings of words.';

-- The words that match stand in <mark>; everything else is escaped, so the result can be shown as HTML.
create function private.highlight(body text, query tsquery, whole boolean) returns text
language sql stable parallel safe set search_path = ''
as $$
  select ts_headline(
    'simple',
    replace(replace(replace(replace(body, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'),
    query,
    'StartSel=<mark>, StopSel=</mark>, '
      || case when whole then 'HighlightAll=true' else 'MaxFragments=2, MaxWords=20, MinWords=5' end
  )
$$;
comment on function private.highlight(text, tsquery, boolean) is
  'Escaped HTML of a text, or of the parts of it that match, with the words that match in <mark>.';

revoke execute on all functions in schema private from public;
grant execute on function private.prefix_query(text), private.highlight(text, tsquery, boolean) to authenticated, service_role;

alter table public.tasks enable row level security;

create policy "An owner sees their tasks" on public.tasks
  for select to authenticated using (owner_id = (select auth.uid()));
create policy "A person creates tasks of their own" on public.tasks
  for insert to authenticated with check (owner_id = (select auth.uid()));
create policy "An owner changes their tasks, and stays the owner" on public.tasks
  for update to authenticated using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
create policy "An owner deletes their tasks" on public.tasks
  for delete to authenticated using (owner_id = (select auth.uid()));

revoke all on public.tasks from anon, authenticated, service_role;
grant select, delete on public.tasks to authenticated;
grant insert (id, owner_id, title, description, status, priority, due_at) on public.tasks to authenticated;
grant update (title, description, status, priority, due_at) on public.tasks to authenticated;
grant select, insert, update, delete on public.tasks to service_role;
