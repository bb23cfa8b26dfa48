-- Answers to requests that create something and carry an Idempotency-Key: whoever sends the same request again is
-- answered as before (draft-ietf-httpapi-idempotency-key-header). An answer is committed with what it tells of.
--
-- Neither the key nor what was asked or answered can be read here: there are digests under the key, and the answer is
-- encrypted under it. Whoever has no more than the row learns nothing from it.

create table public.idempotency_keys (
  owner_id uuid not null default auth.uid() references auth.users on delete cascade,
  key_digest bytea not null check (octet_length(key_digest) = 32),
  request_digest bytea not null check (octet_length(request_digest) = 32),
  answer bytea not null,
  is_sign_up boolean not null default false,
  expires_at timestamptz not null default now() + interval '24 hours',
  primary key (owner_id, key_digest)
);

comment on table public.idempotency_keys is 'Answers to requests with an Idempotency-Key, for whoever sends one again.';
comment on column public.idempotency_keys.owner_id is 'Who asked; for a sign-up, the account of its e-mail.';
comment on column public.idempotency_keys.key_digest is 'Of the key, the path and the personal token in use.';
comment on column public.idempotency_keys.request_digest is 'Of what was asked: a key is for one request.';
comment on column public.idempotency_keys.answer is 'Status, headers and body, encrypted under the key.';
comment on column public.idempotency_keys.is_sign_up is 'Asked by somebody who had no account yet.';
comment on column public.idempotency_keys.expires_at is 'From then on the key is as good as new.';

create index idempotency_keys_expiry_idx on public.idempotency_keys (expires_at);
create unique index idempotency_keys_sign_up_idx on public.idempotency_keys (key_digest) where is_sign_up;

-- A lock and not a row says that a request is running: it goes with the transaction, whatever becomes of that, and
-- whoever finds it taken need not wait. Volatile: after the lock is taken, a new snapshot must see what was committed.
create function private.claim_idempotency_key(
  digest bytea, out is_claimed boolean, out request_digest bytea, out answer bytea
)
language plpgsql volatile set search_path = ''
as $$
begin
  is_claimed := pg_try_advisory_xact_lock(hashtextextended(concat(auth.uid(), encode(digest, 'hex')), 0));
  if not is_claimed then
    return;
  end if;
  delete from public.idempotency_keys k
  where k.owner_id = (select auth.uid()) and k.key_digest = digest and k.expires_at <= now();
  select k.request_digest, k.answer into request_digest, answer
  from public.idempotency_keys k
  where k.owner_id = (select auth.uid()) and k.key_digest = digest;
end $$;
comment on function private.claim_idempotency_key(bytea) is
  'Claim a key of the caller''s until the transaction ends, unless another one has it; the answer that it stands for.';

-- Whoever signs up has no identity yet: only the key says whose the answer is, and has to be a secret. Standalone mode
-- alone has somebody who may run these: where Supabase Auth makes the accounts, no transaction spans both.
create function private.claim_sign_up_key(
  digest bytea, out is_claimed boolean, out request_digest bytea, out answer bytea
)
language plpgsql volatile security definer set search_path = ''
as $$
begin
  is_claimed := pg_try_advisory_xact_lock(hashtextextended(encode(digest, 'hex'), 0));
  if not is_claimed then
    return;
  end if;
  delete from public.idempotency_keys k where k.is_sign_up and k.key_digest = digest and k.expires_at <= now();
  select k.request_digest, k.answer into request_digest, answer
  from public.idempotency_keys k
  where k.is_sign_up and k.key_digest = digest;
end $$;
comment on function private.claim_sign_up_key(bytea) is
  'As claim_idempotency_key, for a caller who has no account yet.';

create function private.keep_sign_up(owner uuid, key_digest bytea, request_digest bytea, answer bytea) returns void
language sql volatile security definer set search_path = ''
as $$
  insert into public.idempotency_keys (owner_id, key_digest, request_digest, answer, is_sign_up)
  select owner, key_digest, request_digest, answer, true where owner is not null
$$;
comment on function private.keep_sign_up(uuid, bytea, bytea, bytea) is
  'Keep the answer to a sign-up as long as there is the account of its e-mail: 24 hours at most. Without one, not at all.';

create function private.sweep_idempotency_keys() returns bigint
language sql volatile security definer set search_path = ''
as $$
  with swept as (delete from public.idempotency_keys where expires_at <= now() returning 1)
  select count(*) from swept
$$;
comment on function private.sweep_idempotency_keys() is 'Delete answers that have expired. How many those were.';

revoke execute on all functions in schema private from public;
grant execute on function private.claim_idempotency_key(bytea) to authenticated;
grant execute on function private.sweep_idempotency_keys() to job_worker;

alter table public.idempotency_keys enable row level security;

create policy "A caller finds their answers" on public.idempotency_keys
  for select to authenticated using (owner_id = (select auth.uid()));
create policy "A caller keeps answers of their own" on public.idempotency_keys
  for insert to authenticated with check (owner_id = (select auth.uid()));
create policy "A caller gives up answers that have expired" on public.idempotency_keys
  for delete to authenticated using (owner_id = (select auth.uid()) and expires_at <= now());

comment on policy "A caller finds their answers" on public.idempotency_keys is 'Nobody else does.';
comment on policy "A caller keeps answers of their own" on public.idempotency_keys is 'Nobody changes one.';
comment on policy "A caller gives up answers that have expired" on public.idempotency_keys is 'To use the key again.';

revoke all on public.idempotency_keys from anon, authenticated, service_role;
grant select, delete on public.idempotency_keys to authenticated;
grant insert (key_digest, request_digest, answer) on public.idempotency_keys to authenticated;
grant select, insert, update, delete on public.idempotency_keys to service_role;
