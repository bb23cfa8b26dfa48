-- The login role of api-main. It owns nothing and may read nothing: each transaction must first become one of
-- the roles that it is a member of, and `service_role` is not among them.
-- It gets its password, and with it the right to log in, when it is deployed.

do $$ begin
  create role api_main nologin noinherit;
exception when duplicate_object then null;  -- roles belong to the whole cluster
end $$;

grant anon, authenticated to api_main;

-- Helper functions of policies and queries. Not among the schemas that Supabase's own API exposes.
create schema private;
grant usage on schema private to authenticated, service_role;

comment on schema private is 'Helper functions of policies and queries; never exposed by an API.';
