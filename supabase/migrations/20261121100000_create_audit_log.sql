-- The audit log: who changed what about whom. Triggers write it in the transaction of the change, so that it holds what
-- was done in the dashboard or in SQL as well. It says which columns changed and what rights became of it; it keeps no
-- password, no token, and neither name nor e-mail: an account that is deleted is forgotten here too.

create schema audit;
comment on schema audit is 'The months of private.audit_log; for nobody to use directly.';

create table private.audit_log (
  id uuid not null default gen_random_uuid(),
  happened_at timestamptz not null default clock_timestamp(),
  action text not null check (action ~ '^[a-z_]{1,40}\.[a-z_]{1,40}$'),
  actor_id uuid,
  actor_role text not null,
  token_id uuid,
  subject_id uuid,
  details jsonb not null default '{}',
  request_id text,
  primary key (happened_at, id)
) partition by range (happened_at);

comment on table private.audit_log is
  'Who changed what about whom. Rows are added by triggers and never changed; a month at a time they are dropped.';
comment on column private.audit_log.id is 'Names the entry.';
comment on column private.audit_log.happened_at is 'When, by the clock.';
comment on column private.audit_log.action is 'What was done, such as account.deleted; docs/administration.md lists them.';
comment on column private.audit_log.actor_id is 'Which account did it. Empty: nobody who was signed in to the API.';
comment on column private.audit_log.actor_role is 'As which role: that of the token, or else that of the database.';
comment on column private.audit_log.token_id is 'The personal access token that was used, if it was one.';
comment on column private.audit_log.subject_id is 'To which account it was done. Empty: to none, or to many.';
comment on column private.audit_log.details is 'What changed: names of columns, and the values of rights and dates.';
comment on column private.audit_log.request_id is 'The X-Request-ID of the request, or the job, that did it.';

create index audit_log_subject_idx on private.audit_log (subject_id, happened_at);
create index audit_log_actor_idx on private.audit_log (actor_id, happened_at);

-- Append-only ----------------------------------------------------------------------------------------------------

create function private.refuse_change_of_audit_log() returns trigger language plpgsql set search_path = '' as $$
begin
  raise exception 'The audit log is only ever added to.' using errcode = 'insufficient_privilege';
end $$;
comment on function private.refuse_change_of_audit_log() is 'Trigger: keep the audit log as it was written.';

create trigger refuse_change before update or delete on private.audit_log
  for each row execute function private.refuse_change_of_audit_log();
create trigger refuse_truncation before truncate on private.audit_log
  for each statement execute function private.refuse_change_of_audit_log();
comment on trigger refuse_change on private.audit_log is 'Entries are neither changed nor deleted, by anybody.';
comment on trigger refuse_truncation on private.audit_log is 'Nor all at once. Months are dropped when they are old.';

alter table private.audit_log enable row level security;
create policy "A superuser reads the audit log" on private.audit_log
  for select to authenticated using ((select private.is_superuser()));
comment on policy "A superuser reads the audit log" on private.audit_log is 'All of it. Nobody writes it but the triggers.';

revoke all on private.audit_log from anon, authenticated, service_role;
grant select on private.audit_log to authenticated, service_role;

-- Months ---------------------------------------------------------------------------------------------------------

create function private.add_audit_month(month date) returns void language plpgsql set search_path = '' as $$
declare
  name constant text := 'log_' || to_char(month, 'YYYY_MM');
begin
  if to_regclass('audit.' || name) is not null then
    return;
  end if;
  -- Made on its own and attached: neither readers nor writers of other months wait for that.
  execute format('create table audit.%I (like private.audit_log including all)', name);
  execute format('alter table audit.%I enable row level security', name);
  execute format('revoke all on audit.%I from public, anon, authenticated, service_role', name);
  execute format('comment on table audit.%I is %L', name, 'private.audit_log in ' || to_char(month, 'YYYY-MM') || ', UTC.');
  execute format(
    'create trigger refuse_truncation before truncate on audit.%I'
    ' for each statement execute function private.refuse_change_of_audit_log()', name);
  execute format(
    'alter table private.audit_log attach partition audit.%I for values from (%L) to (%L)',
    name, month || ' 00:00+00', (month + interval '1 month')::date || ' 00:00+00');
end $$;
comment on function private.add_audit_month(date) is 'Make the partition of a month, by its first day.';

create function private.add_audit_rest() returns void language sql set search_path = '' as $$
  create table audit.log_rest (like private.audit_log including all);
  alter table audit.log_rest enable row level security;
  revoke all on audit.log_rest from public, anon, authenticated, service_role;
  comment on table audit.log_rest is 'Entries of months without a partition, until private.keep_audit_log makes one.';
  create trigger refuse_truncation before truncate on audit.log_rest
    for each statement execute function private.refuse_change_of_audit_log();
  alter table private.audit_log attach partition audit.log_rest default;
$$;
comment on function private.add_audit_rest() is 'Make the partition for whatever has no month yet: no entry is ever refused.';

-- The worker calls this every few seconds; there is something to do once a month. Waiting for a lock would keep all
-- who write waiting behind it, so it gives up soon: the next call will do.
create function private.keep_audit_log(keep_months integer) returns void
language plpgsql volatile security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  this_month constant date := date_trunc('month', now() at time zone 'UTC');
  month date;
  past regclass;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('private.keep_audit_log', 0)) then
    return;
  end if;
  if exists (select from audit.log_rest) then
    alter table private.audit_log detach partition audit.log_rest;
    alter table audit.log_rest rename to log_found;
    for month in select distinct date_trunc('month', happened_at at time zone 'UTC') from audit.log_found loop
      perform private.add_audit_month(month);
    end loop;
    insert into private.audit_log select * from audit.log_found;
    drop table audit.log_found;
    perform private.add_audit_rest();
  end if;
  for ahead in 0..2 loop
    perform private.add_audit_month((this_month + make_interval(months => ahead))::date);
  end loop;
  for past in
    select c.oid from pg_catalog.pg_class c
    where c.relnamespace = 'audit'::regnamespace and c.relkind = 'r' and c.relname ~ '^log_\d{4}_\d{2}$'
      and to_date(substr(c.relname, 5), 'YYYY_MM') < this_month - make_interval(months => keep_months)
  loop
    execute 'drop table ' || past;
  end loop;
exception when lock_not_available then null;
end $$;
comment on function private.keep_audit_log(integer) is
  'Make the months to come, and drop those that ended more than so many months ago. Safe to call at any time.';

select private.add_audit_rest();
select private.keep_audit_log(12);

-- What is written down -------------------------------------------------------------------------------------------

create function private.add_to_audit_log(action text, subject uuid, details jsonb) returns void
language sql volatile security definer set search_path = '' as $$
  insert into private.audit_log (action, actor_id, actor_role, token_id, subject_id, details, request_id)
  values (
    action,
    auth.uid(),
    coalesce(auth.role(), nullif(current_setting('role'), 'none'), session_user),
    (auth.jwt() ->> 'token_id')::uuid,
    subject,
    details,
    nullif(current_setting('request.id', true), '')
  )
$$;
comment on function private.add_to_audit_log(text, uuid, jsonb) is 'Add an entry in the name of the caller.';

-- What the claims of an account say of its powers; see private.account_is_superuser.
create function private.grants_superuser(metadata jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(metadata -> 'is_superuser' = 'true'::jsonb, false)
$$;
comment on function private.grants_superuser(jsonb) is 'Whether app_metadata makes a superuser.';

create function private.audit_account() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  changed text[];
begin
  if tg_op = 'INSERT' then
    perform private.add_to_audit_log('account.created', new.id, '{}');
    if private.grants_superuser(new.raw_app_meta_data) then
      perform private.add_to_audit_log('superuser.granted', new.id, '{"by": "app_metadata"}');
    end if;
    return null;
  elsif tg_op = 'DELETE' then
    perform private.add_to_audit_log('account.deleted', old.id, '{"soft": false}');
    return null;
  end if;
  if private.grants_superuser(old.raw_app_meta_data) <> private.grants_superuser(new.raw_app_meta_data) then
    perform private.add_to_audit_log(
      case when private.grants_superuser(new.raw_app_meta_data) then 'superuser.granted' else 'superuser.revoked' end,
      new.id, '{"by": "app_metadata"}');
  end if;
  if old.deleted_at is distinct from new.deleted_at then
    perform private.add_to_audit_log(
      case when new.deleted_at is null then 'account.restored' else 'account.deleted' end, new.id, '{"soft": true}');
    return null;
  end if;
  if old.banned_until is distinct from new.banned_until then
    perform private.add_to_audit_log(
      case when new.banned_until > now() then 'account.banned' else 'account.unbanned' end,
      new.id, jsonb_build_object('until', new.banned_until));
  end if;
  changed := array_remove(array[
    case when old.email is distinct from new.email then 'email' end,
    case when old.phone is distinct from new.phone then 'phone' end,
    case when old.encrypted_password is distinct from new.encrypted_password then 'password' end,
    case when old.role is distinct from new.role then 'role' end,
    case when old.email_confirmed_at is distinct from new.email_confirmed_at then 'email_confirmed_at' end,
    case when old.raw_app_meta_data is distinct from new.raw_app_meta_data then 'app_metadata' end,
    case when old.raw_user_meta_data is distinct from new.raw_user_meta_data then 'user_metadata' end
  ], null);
  if changed <> '{}' then
    perform private.add_to_audit_log('account.changed', new.id, jsonb_build_object('changed', changed));
  end if;
  return null;
end $$;
comment on function private.audit_account() is 'Trigger of auth.users: write down what becomes of accounts.';

-- The first of its kind by name: keep_profile… follow, so that an account is made before its profile changes.
create trigger audit_account_made_or_deleted after insert or delete on auth.users
  for each row execute function private.audit_account();
create trigger audit_account_changed after update of
    email, phone, encrypted_password, role, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    banned_until, deleted_at on auth.users
  for each row execute function private.audit_account();

create function private.audit_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  changed text[];
begin
  if old.is_superuser <> new.is_superuser then
    perform private.add_to_audit_log(
      case when new.is_superuser then 'superuser.granted' else 'superuser.revoked' end, new.id, '{"by": "profile"}');
  end if;
  if old.is_active <> new.is_active then
    perform private.add_to_audit_log(
      case when new.is_active then 'account.activated' else 'account.deactivated' end, new.id, '{}');
  end if;
  changed := array_remove(array[
    case when old.username is distinct from new.username then 'username' end,
    case when old.full_name is distinct from new.full_name then 'full_name' end,
    case when old.locale is distinct from new.locale then 'locale' end
  ], null);
  -- A copy of what happens to the account is no news.
  if changed <> '{}' and pg_trigger_depth() = 1 then
    perform private.add_to_audit_log('profile.changed', new.id, jsonb_build_object('changed', changed));
  end if;
  return null;
end $$;
comment on function private.audit_profile() is 'Trigger: write down what becomes of rights and names.';

create trigger audit_profile after update on public.profiles
  for each row execute function private.audit_profile();
comment on trigger audit_profile on public.profiles is 'Writes the audit log.';

create function private.audit_profile_made() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.add_to_audit_log('superuser.granted', new.id, '{"by": "profile"}');
  return null;
end $$;
comment on function private.audit_profile_made() is 'Trigger: write down that somebody is made a superuser.';
create trigger audit_profile_made after insert on public.profiles
  for each row when (new.is_superuser) execute function private.audit_profile_made();
comment on trigger audit_profile_made on public.profiles is 'Writes the audit log.';

create function private.audit_token() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    perform private.add_to_audit_log(
      'token.created', new.owner_id,
      jsonb_build_object('token', new.id, 'scopes', new.scopes, 'expires_at', new.expires_at));
  else
    perform private.add_to_audit_log('token.revoked', old.owner_id, jsonb_build_object('token', old.id));
  end if;
  return null;
end $$;
comment on function private.audit_token() is 'Trigger: write down what becomes of personal access tokens.';

create trigger audit_token_made after insert on public.api_tokens
  for each row execute function private.audit_token();
-- Tokens that go with their account are not revoked one by one.
create trigger audit_token_revoked after delete on public.api_tokens
  for each row when (pg_trigger_depth() = 0) execute function private.audit_token();
comment on trigger audit_token_made on public.api_tokens is 'Writes the audit log.';
comment on trigger audit_token_revoked on public.api_tokens is 'Writes the audit log.';

-- For the dashboard ----------------------------------------------------------------------------------------------

create view admin.audit_log with (security_invoker = on) as
select
  l.happened_at,
  l.action,
  l.actor_id,
  a.email as actor_email,
  l.actor_role,
  l.subject_id,
  s.email as subject_email,
  l.details,
  l.request_id,
  l.token_id
from private.audit_log l
left join public.profiles a on a.id = l.actor_id
left join public.profiles s on s.id = l.subject_id
order by l.happened_at desc;

comment on view admin.audit_log is 'Who changed what about whom, newest first; private.audit_log with e-mails of today.';
comment on column admin.audit_log.happened_at is 'When.';
comment on column admin.audit_log.action is 'What was done, such as account.deleted.';
comment on column admin.audit_log.actor_id is 'Which account did it. Empty: nobody who was signed in to the API.';
comment on column admin.audit_log.actor_email is 'Its e-mail today, as long as there is one.';
comment on column admin.audit_log.actor_role is 'As which role: postgres is the SQL editor, supabase_auth_admin Supabase Auth.';
comment on column admin.audit_log.subject_id is 'To which account it was done.';
comment on column admin.audit_log.subject_email is 'Its e-mail today, as long as there is one.';
comment on column admin.audit_log.details is 'What changed.';
comment on column admin.audit_log.request_id is 'The X-Request-ID of the request, or the job, that did it.';
comment on column admin.audit_log.token_id is 'The personal access token that was used, if it was one.';

revoke all on admin.audit_log from public, anon, authenticated, service_role;
grant select on admin.audit_log to service_role;

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on schema audit from public;
revoke execute on all functions in schema private from public;
grant execute on function private.keep_audit_log(integer) to job_worker;
