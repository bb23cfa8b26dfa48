-- The roles of a hosted project, once per server: who may what is taken from supabase/postgres and from dumps of
-- hosted projects (PostgreSQL 17, 2026).
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role supabase_auth_admin login noinherit createrole password 'of-the-administrator';
create role postgres login createdb createrole replication bypassrls password 'of-the-administrator';
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;
do $$ begin
  if current_setting('server_version_num')::int >= 160000 then
    grant anon, authenticated, service_role to postgres with admin option;
  else
    grant anon, authenticated, service_role to postgres;
  end if;
end $$;
