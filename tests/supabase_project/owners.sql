-- Turn a database that our standalone prelude has prepared into one as Supabase makes it: the schema `auth` belongs
-- to others, and `postgres`, who is no superuser, may use it but cannot change it.
do $$
declare
  thing text;
begin
  execute format('alter database %I owner to postgres', current_database());
  revoke all on schema auth from public, service_role, auth_admin;
  revoke all on all tables in schema auth from public, service_role, auth_admin;
  grant usage on schema auth to anon, authenticated, service_role, postgres;
  grant all on schema auth to supabase_auth_admin;
  for thing in select oid::regclass::text from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r' loop
    execute format('alter table %s owner to supabase_auth_admin', thing);
    execute format('alter table %s enable row level security', thing);
    execute format('grant insert, update, delete, truncate, references, trigger on %s to postgres', thing);
    execute format('grant select on %s to postgres with grant option', thing);
  end loop;
  for thing in select oid::regprocedure::text from pg_proc where pronamespace = 'auth'::regnamespace loop
    execute format('alter function %s owner to supabase_auth_admin', thing);
  end loop;
end $$;

grant usage on schema extensions to public;
-- There `postgres` may create it, which takes a superuser elsewhere.
do $$ begin
  create extension vector schema extensions;
exception when feature_not_supported or undefined_file then null;  -- not on this machine
end $$;

-- Older projects grant the API roles whatever is new in `public`.
alter default privileges for role postgres in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to anon, authenticated, service_role;
