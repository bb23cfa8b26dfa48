-- For the people who look after accounts in the dashboard: views to read, a rule for superusers that takes effect
-- at once, profiles that follow soft deletion, a hook that shows the role in tokens, and a comment on everything.
-- On a hosted project `postgres` owns neither the schema `auth` nor its tables: nothing here changes them.

-- Soft deletion --------------------------------------------------------------------------------------------------

-- An account that is deleted softly keeps its row (tasks and records may point at it) but not its person.
alter table public.profiles add column is_deleted boolean not null default false;
comment on column public.profiles.is_deleted is 'Whether the account was deleted softly. Kept by a trigger.';

create or replace function private.keep_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_gone constant boolean := new.deleted_at is not null;
begin
  insert into public.profiles as kept (id, email, full_name, is_deleted)
  values (
    new.id,
    case when not is_gone then new.email end,
    case when not is_gone then left(nullif(btrim(new.raw_user_meta_data ->> 'full_name', E' \t\r\n'), ''), 255) end,
    is_gone
  )
  on conflict (id) do update set
    email = excluded.email,
    username = case when not is_gone then kept.username end,
    full_name = case when not is_gone then kept.full_name end,
    is_superuser = kept.is_superuser and not is_gone,
    is_deleted = is_gone;
  return null;
end $$;

create trigger keep_profile_on_deletion after update of deleted_at on auth.users
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.keep_profile();

update public.profiles p set email = null, username = null, full_name = null, is_superuser = false, is_deleted = true
from auth.users u where u.id = p.id and u.deleted_at is not null;

-- Superusers -----------------------------------------------------------------------------------------------------

-- One rule, read from the rows at every statement and never from a token: either place grants, both must be
-- cleared to revoke, and an account that may not sign in is no superuser.
create function private.account_is_superuser(account uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select private.may_sign_in(account) and exists (
    select from auth.users u
    join public.profiles p on p.id = u.id
    where u.id = account and (p.is_superuser or u.raw_app_meta_data -> 'is_superuser' = 'true'::jsonb)
  )
$$;

create or replace function private.is_superuser() returns boolean
language sql stable security definer set search_path = ''
as $$
  select private.account_is_superuser((select auth.uid()))
$$;

-- The token hook -------------------------------------------------------------------------------------------------

-- Supabase Auth runs this before it signs a token (Authentication > Hooks, or auth.hook.custom_access_token in
-- config.toml; https://supabase.com/docs/guides/auth/auth-hooks/custom-access-token-hook). The claim is for what a
-- front end shows; no policy reads it, and no other claim changes: least of all `role`, which is a database role.
-- It is not in `public`, where an API could offer it.
create function private.custom_access_token_hook(event jsonb) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object('claims', (event -> 'claims') || jsonb_build_object(
    'user_role',
    case when private.account_is_superuser((event ->> 'user_id')::uuid) then 'superuser' else 'user' end
  ))
$$;

do $$ begin
  if exists (select from pg_roles where rolname = 'supabase_auth_admin') then
    grant usage on schema private to supabase_auth_admin;
    grant execute on function private.custom_access_token_hook(jsonb) to supabase_auth_admin;
  end if;
end $$;

-- Views ----------------------------------------------------------------------------------------------------------

create schema admin;

create view admin.users with (security_invoker = on) as
select
  u.id,
  u.email,
  u.phone,
  p.username,
  p.full_name,
  case
    when u.deleted_at is not null then 'deleted'
    when u.banned_until > now() then 'banned'
    when p.is_active is not true then 'deactivated'
    when u.confirmed_at is null and not u.is_anonymous then 'unconfirmed'
    else 'active'
  end as state,
  private.account_is_superuser(u.id) as is_superuser,
  u.is_anonymous,
  t.tasks,
  t.open_tasks,
  (
    select count(*) from auth.sessions s where s.user_id = u.id and (s.not_after is null or s.not_after > now())
  ) as live_sessions,
  u.created_at,
  u.last_sign_in_at,
  u.banned_until,
  u.deleted_at
from auth.users u
left join public.profiles p on p.id = u.id
cross join lateral (
  select count(*) as tasks, count(*) filter (where status in ('pending', 'in_progress')) as open_tasks
  from public.tasks where owner_id = u.id
) t;

create view admin.sessions with (security_invoker = on) as
select
  s.id,
  s.user_id,
  u.email,
  s.created_at as begun_at,
  coalesce(s.refreshed_at at time zone 'UTC', s.created_at) as last_active_at,
  s.not_after as ends_at,
  s.ip,
  s.user_agent,
  s.aal::text as assurance_level
from auth.sessions s
join auth.users u on u.id = s.user_id
where s.not_after is null or s.not_after > now();

create view admin.security_events with (security_invoker = on) as
select * from (
  select e.happened_at, e.event, u.id as user_id, u.email, null::inet as ip, null::text as user_agent
  from auth.users u
  cross join lateral (values
    (u.created_at, 'account created'),
    (u.invited_at, 'invitation sent'),
    (u.confirmed_at, 'account confirmed'),
    (u.recovery_sent_at, 'password reset requested'),
    (u.email_change_sent_at, 'e-mail change requested'),
    (u.reauthentication_sent_at, 'reauthentication requested'),
    (u.last_sign_in_at, 'last sign-in'),
    (u.deleted_at, 'account deleted')
  ) e (happened_at, event)
  union all
  select s.created_at, 'session begun', s.user_id, u.email, s.ip, s.user_agent
  from auth.sessions s join auth.users u on u.id = s.user_id
) events
where happened_at > now() - interval '30 days'
order by happened_at desc;

-- A view reads with its caller's rights, and on a hosted project service_role has none on the tables of `auth`.
-- It gets those columns that the views show, no password hash among them.
grant select (
  id, email, phone, created_at, last_sign_in_at, confirmed_at, invited_at, recovery_sent_at, email_change_sent_at,
  reauthentication_sent_at, banned_until, deleted_at, is_anonymous
) on auth.users to service_role;
grant select (id, user_id, created_at, refreshed_at, not_after, ip, user_agent, aal) on auth.sessions to service_role;

revoke all on all tables in schema admin from public, anon, authenticated, service_role;
grant usage on schema admin to service_role;
grant select on all tables in schema admin to service_role;

revoke execute on all functions in schema private from public;
grant execute on function private.account_is_superuser(uuid) to service_role;

-- What the table editor says -------------------------------------------------------------------------------------

comment on schema admin is 'Views for the people who run this project; never exposed by an API.';

comment on view admin.users is
  'Every account: its state, its tasks, its sessions. To change one, use Authentication, or the table public.profiles.';
comment on column admin.users.id is 'The account: auth.users.id, and the subject of its tokens.';
comment on column admin.users.email is 'From auth.users.';
comment on column admin.users.phone is 'From auth.users.';
comment on column admin.users.username is 'From public.profiles.';
comment on column admin.users.full_name is 'From public.profiles.';
comment on column admin.users.state is
  'active; or why not: deleted, banned, deactivated (profiles.is_active is off), unconfirmed. The first that applies.';
comment on column admin.users.is_superuser is 'As the policies see it: private.account_is_superuser.';
comment on column admin.users.is_anonymous is 'Signed in without an e-mail, a phone or an identity.';
comment on column admin.users.tasks is 'How many tasks the account owns.';
comment on column admin.users.open_tasks is 'How many of them are pending or in progress.';
comment on column admin.users.live_sessions is 'Devices that are signed in; admin.sessions lists them.';
comment on column admin.users.created_at is 'When the account was made.';
comment on column admin.users.last_sign_in_at is 'When a session was last begun.';
comment on column admin.users.banned_until is 'While this lies ahead, the account can neither sign in nor act.';
comment on column admin.users.deleted_at is 'When the account was deleted softly: its row stays, its person does not.';

comment on view admin.sessions is 'Devices that are signed in. To sign one out, delete its row in auth.sessions.';
comment on column admin.sessions.id is 'The claim session_id of its tokens.';
comment on column admin.sessions.user_id is 'The account.';
comment on column admin.sessions.email is 'The account''s e-mail.';
comment on column admin.sessions.begun_at is 'When somebody signed in.';
comment on column admin.sessions.last_active_at is 'When its tokens were last renewed.';
comment on column admin.sessions.ends_at is 'When it ends by itself. Empty: when somebody ends it.';
comment on column admin.sessions.ip is 'The address that it was begun from.';
comment on column admin.sessions.user_agent is 'The program that it was begun with.';
comment on column admin.sessions.assurance_level is 'aal1: one factor. aal2: a second one as well.';

comment on view admin.security_events is
  'What auth.users and auth.sessions tell about the last 30 days, newest first. Only the last of each kind is known.';
comment on column admin.security_events.happened_at is 'When.';
comment on column admin.security_events.event is 'What, in words.';
comment on column admin.security_events.user_id is 'To which account.';
comment on column admin.security_events.email is 'The account''s e-mail.';
comment on column admin.security_events.ip is 'Where from, of sessions.';
comment on column admin.security_events.user_agent is 'With which program, of sessions.';

comment on column public.profiles.id is 'The account. To delete it, use Authentication, never this row alone.';
comment on column public.profiles.is_superuser is
  'On: may see every profile, at once. So does {"is_superuser": true} in app_metadata; to revoke, clear both.';

comment on policy "A person sees their own profile; a superuser sees all" on public.profiles is
  'The superuser is looked up once per statement: private.is_superuser().';
comment on policy "A person changes their own profile" on public.profiles is
  'Which columns is a matter of grants: username, full_name, locale.';
comment on policy "An owner sees their tasks" on public.tasks is 'Nobody else does, superusers included.';
comment on policy "A person creates tasks of their own" on public.tasks is 'owner_id is the caller.';
comment on policy "An owner changes their tasks, and stays the owner" on public.tasks is
  'owner_id is not among the columns granted.';
comment on policy "An owner deletes their tasks" on public.tasks is 'For good.';

comment on trigger touch_updated_at on public.profiles is 'Keeps updated_at.';
comment on trigger touch_task on public.tasks is 'Keeps version and updated_at.';

comment on function private.keep_profile() is
  'Trigger of auth.users: makes the profile, copies the e-mail to it, and takes the person out of it on soft deletion.';
comment on function private.account_is_superuser(uuid) is
  'Whether an account may sign in and is a superuser, by profiles.is_superuser or by app_metadata.is_superuser.';
comment on function private.is_superuser() is 'Whether the caller is a superuser now, whatever their token says.';
comment on function private.custom_access_token_hook(jsonb) is
  'For Supabase Auth alone: adds the claim user_role (superuser or user) to the claims of a token.';
