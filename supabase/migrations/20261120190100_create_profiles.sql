-- One profile per account, kept by a trigger: an account made by this API, by Supabase Auth or in the
-- dashboard has one all the same.

create table public.profiles (
  id uuid primary key references auth.users on delete cascade,
  username text unique check (username ~ '^[a-z0-9_]{3,30}$'),
  email text,
  full_name text check (char_length(full_name) <= 255),
  locale text check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  is_active boolean not null default true,
  is_superuser boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

comment on table public.profiles is 'What the application knows of an account. Kept in step with auth.users by a trigger.';
comment on column public.profiles.id is 'The account that it belongs to.';
comment on column public.profiles.username is 'Chosen by its owner: 3 to 30 lower-case letters, digits and underscores.';
comment on column public.profiles.email is 'A copy of auth.users.email; change it there.';
comment on column public.profiles.full_name is 'At most 255 characters. At first, what the person signed up with.';
comment on column public.profiles.locale is 'The language that its owner has chosen: a BCP 47 tag such as en or pt-BR. Null: none.';
comment on column public.profiles.is_active is 'Off: the account can no longer sign in, and its live tokens are refused.';
comment on column public.profiles.is_superuser is 'May see every profile. Grant it here; it takes effect at once.';
comment on column public.profiles.created_at is 'When the profile was made.';
comment on column public.profiles.updated_at is 'When it last changed. Kept by a trigger.';

create function private.touch_updated_at() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end $$;
comment on function private.touch_updated_at() is 'Trigger: date a change.';

create trigger touch_updated_at before update on public.profiles
  for each row execute function private.touch_updated_at();

-- Metadata comes from the person who signs up: what does not fit is left out, never a reason to fail.
create function private.keep_profile() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    insert into public.profiles (id, email, full_name)
    values (new.id, new.email, left(nullif(btrim(new.raw_user_meta_data ->> 'full_name', E' \t\r\n'), ''), 255));
  else
    update public.profiles set email = new.email where id = new.id;
  end if;
  return null;
end $$;
comment on function private.keep_profile() is 'Trigger: make the profile of a new account, and copy a new e-mail to it.';

create trigger keep_profile_on_insert after insert on auth.users
  for each row execute function private.keep_profile();
create trigger keep_profile_on_email after update of email on auth.users
  for each row when (old.email is distinct from new.email) execute function private.keep_profile();

insert into public.profiles (id, email, full_name)
select id, email, left(nullif(btrim(raw_user_meta_data ->> 'full_name', E' \t\r\n'), ''), 255) from auth.users
on conflict do nothing;

create function private.is_superuser() returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.profiles
    where id = (select auth.uid()) and is_superuser and is_active
  )
$$;
comment on function private.is_superuser() is 'Whether the caller is an active superuser.';

create function private.may_sign_in(account uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from auth.users u
    join public.profiles p on p.id = u.id
    where u.id = account
      and p.is_active
      and u.deleted_at is null
      and (u.banned_until is null or u.banned_until < now())
  )
$$;
comment on function private.may_sign_in(uuid) is 'Whether an account exists and is neither banned, deleted nor switched off.';

create function private.session_is_live() returns boolean
language sql stable security definer set search_path = ''
as $$
  select private.may_sign_in((select auth.uid())) and exists (
    select from auth.sessions
    where id = ((select auth.jwt()) ->> 'session_id')::uuid
      and user_id = (select auth.uid())
      and (not_after is null or not_after > now())
  )
$$;
comment on function private.session_is_live() is
  'Whether the session that the caller''s token names still exists, and its account may still act.';

revoke execute on all functions in schema private from public;
grant execute on function private.is_superuser(), private.session_is_live() to authenticated;

alter table public.profiles enable row level security;

create policy "A person sees their own profile; a superuser sees all" on public.profiles
  for select to authenticated
  using (id = (select auth.uid()) or (select private.is_superuser()));

create policy "A person changes their own profile" on public.profiles
  for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));

-- Not every project grants the API roles nothing by default, so start from nothing.
revoke all on public.profiles from anon, authenticated, service_role;
grant select, update (username, full_name, locale) on public.profiles to authenticated;
grant select, insert, update, delete on public.profiles to service_role;
