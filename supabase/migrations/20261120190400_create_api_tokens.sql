-- Personal access tokens: a person lets a program act for them, within scopes, until it expires or is revoked.
-- Only a digest is stored; the token itself is shown once.

create table public.api_tokens (
  id uuid primary key default gen_random_uuid(),
  owner_id uuid not null default auth.uid() references auth.users on delete cascade,
  name text not null check (char_length(name) between 1 and 100),
  scopes text[] not null check (cardinality(scopes) between 1 and 20),
  hint text not null check (char_length(hint) <= 20),
  digest text not null unique,
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now()
);

comment on table public.api_tokens is 'Personal access tokens. Delete a row to revoke its token.';
comment on column public.api_tokens.id is 'Names the token in the API; no secret.';
comment on column public.api_tokens.owner_id is 'Whose rows the token reaches.';
comment on column public.api_tokens.name is 'What its owner calls it.';
comment on column public.api_tokens.scopes is 'What it may do, such as tasks:read.';
comment on column public.api_tokens.expires_at is 'When it ends by itself. Empty: never.';
comment on column public.api_tokens.created_at is 'When it was made.';
comment on column public.api_tokens.hint is 'The end of the token, to tell it from others.';
comment on column public.api_tokens.digest is 'SHA-256 of the token, in hex. No API role may read it.';
comment on column public.api_tokens.last_used_at is 'To the minute.';

create index api_tokens_owner_idx on public.api_tokens (owner_id, created_at, id);

-- What a token lets its bearer do. Whoever calls this must hold the token: a digest cannot be guessed.
create function private.use_api_token(given_digest text)
returns table (id uuid, owner_id uuid, scopes text[], expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
  token public.api_tokens;
begin
  select t.* into token
  from public.api_tokens t
  where t.digest = given_digest
    and (t.expires_at is null or t.expires_at > now())
    and private.may_sign_in(t.owner_id);
  if not found then
    return;
  end if;
  update public.api_tokens t set last_used_at = now()
  where t.id = token.id and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute');
  return query select token.id, token.owner_id, token.scopes, token.expires_at;
end $$;
comment on function private.use_api_token(text) is 'The owner and scopes of a live token, by its digest; notes its use.';

revoke execute on function private.use_api_token(text) from public;
grant usage on schema private to anon;
grant execute on function private.use_api_token(text) to anon;

alter table public.api_tokens enable row level security;

create policy "An owner sees their tokens" on public.api_tokens
  for select to authenticated using (owner_id = (select auth.uid()));
create policy "A person makes tokens of their own" on public.api_tokens
  for insert to authenticated with check (owner_id = (select auth.uid()));
create policy "An owner revokes their tokens" on public.api_tokens
  for delete to authenticated using (owner_id = (select auth.uid()));

comment on policy "An owner sees their tokens" on public.api_tokens is 'But never the digest, which is not granted.';
comment on policy "A person makes tokens of their own" on public.api_tokens is 'owner_id is the caller.';
comment on policy "An owner revokes their tokens" on public.api_tokens is 'By deleting them; nobody changes one.';

revoke all on public.api_tokens from anon, authenticated, service_role;
grant select (id, owner_id, name, scopes, hint, expires_at, last_used_at, created_at), delete
  on public.api_tokens to authenticated;
grant insert (id, name, scopes, hint, digest, expires_at) on public.api_tokens to authenticated;
grant select, insert, update, delete on public.api_tokens to service_role;
