"""`python -m api_main migrate`: bring the database to the newest schema.

`… work`: run background jobs until SIGTERM.
`… generate-key`: a new signing key. `… generate-api-keys`: a new publishable and a new secret key.
"""

import argparse
import asyncio
import json
import os
import sys

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from api_main.core.settings import AdminSettings, WorkerSettings

# Each command imports what it needs: most of a second, where all of them together take two.
# ruff: noqa: PLC0415


def migrate() -> None:
    """As `MIGRATION_DATABASE_URL`, an administrator. `API_MAIN_PASSWORD` sets the password of the API's login."""
    from api_main.migrations.setup import prepare_database

    settings = AdminSettings()
    prepare_database(
        settings.migration_database_url,
        login_password=os.environ.get("API_MAIN_PASSWORD"),
        standalone=settings.supabase_url is None,
    )


def work() -> None:
    """Run background jobs, as `DATABASE_URL`, until SIGTERM or Ctrl-C."""
    from api_main.jobs import worker

    asyncio.run(worker.work(WorkerSettings()))


def generate_key() -> None:
    """Print a JWK set with one ES256 key, for `JWT_SIGNING_KEYS`."""
    from api_main.auth.generate import generate_signing_key

    print(json.dumps([generate_signing_key()]))


def generate_api_keys() -> None:
    """Print both API keys for clients, and their digests for the API."""
    from api_main.auth.api_keys import KeyKind, digest, generate

    keys = {kind: generate(kind) for kind in KeyKind}
    for kind, key in keys.items():
        print(f"SUPABASE_{kind.upper()}_KEY={key}")
    for kind, key in keys.items():
        print(f"{kind.upper()}_KEY_DIGESTS={digest(key)}")


COMMANDS = {"migrate": migrate, "work": work, "generate-key": generate_key, "generate-api-keys": generate_api_keys}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m api_main", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    try:
        COMMANDS[parser.parse_args().command]()
    except (ValidationError, SQLAlchemyError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
