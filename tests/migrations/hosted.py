"""A hosted Supabase project as far as a migration notices: everything in it belongs to somebody else.

`postgres` there is no superuser: it may create roles, is above Row Level Security, owns the database, administers
the API roles, and may read, reference and watch the tables of `auth`, which have Row Level Security of their own.
"""

import psycopg

from tests.migrations.databases import run_prelude
from tests.postgres_servers import Server

ADMINISTRATOR = "project_admin"
AUTH_SERVICE = "auth_service"
PASSWORD = "of-the-project"

ROLES = f"""
create role {ADMINISTRATOR} login createrole createdb bypassrls password '{PASSWORD}';
create role {AUTH_SERVICE} login noinherit createrole password '{PASSWORD}';
"""
# All that the prelude made is Supabase's, and what it made for us alone is not there.
GIVE_AWAY = f"""
alter schema auth owner to {AUTH_SERVICE};
alter table auth.users owner to {AUTH_SERVICE};
alter table auth.identities owner to {AUTH_SERVICE};
alter table auth.sessions owner to {AUTH_SERVICE};
alter function auth.uid() owner to {AUTH_SERVICE};
alter function auth.role() owner to {AUTH_SERVICE};
alter function auth.email() owner to {AUTH_SERVICE};
alter function auth.jwt() owner to {AUTH_SERVICE};
alter table auth.users enable row level security;
alter table auth.identities enable row level security;
alter table auth.sessions enable row level security;
drop owned by auth_admin;
drop role auth_admin;
revoke all on all tables in schema auth from service_role;
grant anon, authenticated, service_role to {ADMINISTRATOR} with admin option;
grant usage on schema auth to {ADMINISTRATOR};
grant select, references, trigger on all tables in schema auth to {ADMINISTRATOR};
grant create, usage on schema public to {ADMINISTRATOR};
"""


def create_project(server: Server) -> str:
    """Make the roles and the database of a project, and return its name. Once per server: roles are the server's."""
    with psycopg.connect(server.url()) as connection:
        connection.execute(ROLES.encode())
    name = server.new_database(owner=ADMINISTRATOR)
    run_prelude(server.url(name))
    with psycopg.connect(server.url(name)) as connection:
        connection.execute(GIVE_AWAY.encode())
    return name
