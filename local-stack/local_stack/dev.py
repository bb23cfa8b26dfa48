"""`./scripts/dev`: a database, an API that reloads, and everything gone again at Ctrl-C."""

import json
import os
import sys
import time
from contextlib import ExitStack

import psycopg

from api_main.auth.generate import generate_signing_key
from local_stack import database, seed
from local_stack.api_process import APPLICATION, ApiProcess, check_port
from local_stack.client_keys import ClientKeys
from local_stack.configuration import Configuration, read_configuration
from local_stack.data_directory import keep_secret, open_data_directory
from local_stack.errors import StartError
from local_stack.gpu_process import GpuProcess
from local_stack.postgres import EmbeddedPostgres
from local_stack.preparation import prepare, sentence
from local_stack.progress import say, step, table
from local_stack.stop_request import StopRequest, StopRequested
from local_stack.worker_process import WORK, WorkerProcess

READY_SECONDS = 30.0
# The API gets an address of its own; whoever takes it over must not find an administrator's beside it.
ADMINISTRATOR_VARIABLES = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "PGUSER", "PGPASSWORD", "PGPASSFILE"}


# What is handy on a laptop and wrong elsewhere; the environment may still say otherwise.
DEFAULTS = {"EMAIL_AUTOCONFIRM": "true", "ANONYMOUS_USERS_ENABLED": "true"}


class Stack:
    """Everything that one run has started, in the order in which it was started."""

    def __init__(self, configuration: Configuration, stop: StopRequest, application: str, work: str) -> None:
        self.configuration = configuration
        self.stop = stop
        self.data = configuration.data_directory
        self.postgres: EmbeddedPostgres | None = None
        self.api = ApiProcess(configuration.host, configuration.port, self.data / "api.json", application)
        elsewhere = configuration.gpu_url is not None
        self.gpu = None if elsewhere else GpuProcess(self.data, configuration.gpu_port, configuration.idle_seconds)
        self.worker = WorkerProcess(self.data / "worker.json", work)

    def run(self, resources: ExitStack) -> None:
        """Start everything, then watch over it until something ends."""
        began = time.monotonic()
        resources.enter_context(open_data_directory(self.data))
        self.api.stop_leftover()
        self.worker.stop_leftover()
        check_port(self.configuration.host, self.configuration.port)
        if self.gpu:
            self.gpu.stop_leftover()
            resources.enter_context(self.gpu.prepare())
        self.client_keys = ClientKeys(self.data / "client_keys.json")
        self.stop.check()
        address = self._database(resources)
        self.stop.check()
        environment = self._api_environment(self._prepare(address))
        self.stop.check()
        say("  Starting the API and a worker …")
        if self.gpu:
            resources.callback(self.gpu.stop)
            self.gpu.start(self._inherited())
        resources.callback(self.worker.stop)
        resources.callback(self.api.stop)
        resources.callback(say, "\n  Stopping …")
        self.api.start(environment)
        self.worker.start(environment)
        ready = self._wait_until_ready()
        self._show(address, time.monotonic() - began if ready else None)
        self._watch(sys.maxsize)

    def _database(self, resources: ExitStack) -> database.AdministratorAddress:
        if self.configuration.database_url:
            with step("Connecting to DATABASE_URL"):
                return database.external_database(self.configuration.database_url)
        server = EmbeddedPostgres(self.data / "postgres", preferred_port=database.PREFERRED_PORT, die_with_parent=True)
        resources.callback(server.stop)
        with step("Starting PostgreSQL" if server.cluster.exists() else "Creating a PostgreSQL database"):
            server.start()
        self.postgres = server
        return database.embedded_database(server)

    def _prepare(self, address: database.AdministratorAddress) -> str:
        """Bring the database up to date, and return its address for the API."""
        standalone = self.configuration.supabase_url is None
        password = keep_secret(self.data / "api-password")
        mark = self.postgres.directory / "prepared" if self.postgres else None
        with step("Migrating the database"):
            prepare(address.admin_url, login_password=password, standalone=standalone, mark=mark)
        if standalone:
            with step("Looking after the demo accounts"):
                seed.seed(address.admin_url)
        return address.login_url(password)

    @staticmethod
    def _inherited() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name not in ADMINISTRATOR_VARIABLES}

    def _api_environment(self, database_url: str) -> dict[str, str]:
        kept = self._inherited()
        keys = self.data / "signing_keys.json"
        given = self.configuration.jwt_signing_keys or self.configuration.jwt_signing_keys_file
        if not given:
            keep_secret(keys, lambda: json.dumps([generate_signing_key()], indent=2))
            kept["JWT_SIGNING_KEYS_FILE"] = str(keys)
        return (
            DEFAULTS
            | self.client_keys.environment
            | kept
            | (self.gpu.callers_environment if self.gpu else {})
            | {
                "DATABASE_URL": database_url,
                "PUBLIC_URL": self.configuration.public_url or self.configuration.api_url,
                "ENVIRONMENT": "development",
            }
        )

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.api.answers("/health/ready"):
                return True
            self._watch(seconds=0.05)
        return False

    def _watch(self, seconds: float) -> None:
        """Return after so many seconds; fail as soon as something has ended, or is to end."""
        deadline = time.monotonic() + seconds
        while True:
            self.stop.check()
            if self.postgres and not self.postgres.is_running:
                raise StartError(f"PostgreSQL stopped by itself: its log is {self.postgres.log}.")
            if (code := self.api.exit_code()) is not None:
                raise StartError(f"The API stopped by itself with exit code {code}: see its lines above.")
            if self.gpu and (code := self.gpu.exit_code()) is not None:
                raise StartError(f"api-gpu stopped by itself with exit code {code}: see its lines above.")
            if (code := self.worker.exit_code()) is not None:
                raise StartError(f"The worker stopped by itself with exit code {code}: see its lines above.")
            if time.monotonic() >= deadline:
                return
            time.sleep(min(0.1, seconds))

    def _show(self, address: database.AdministratorAddress, seconds: float | None) -> None:
        state = "is not ready yet: see its lines above" if seconds is None else f"ready in {seconds:.1f} s"
        rows = [
            ("API", f"{self.configuration.api_url} ({state})"),
            ("Documentation", f"{self.configuration.api_url}/docs"),
            ("Database", address.shown_url),
        ]
        if self.gpu:
            rows.append(("api-gpu", f"{self.gpu.url} (asleep until it is needed)"))
        if self.configuration.supabase_url is None and (accounts := seed.demo_accounts(address.admin_url)):
            rows.append(("Demo accounts", f"{', '.join(accounts)} (password {seed.DEMO_PASSWORD})"))
        if self.configuration.supabase_url is None:
            rows += [*self.client_keys.rows, ("Mailbox", f"{self.configuration.api_url}/dev/mail")]
        table([*rows, ("Stop", "Ctrl-C")])


def main(application: str = APPLICATION, work: str = WORK) -> int:
    """Run until Ctrl-C, and return the exit code: 0 for a wish, 1 for a failure."""
    stop = StopRequest()
    try:
        with ExitStack() as resources:
            Stack(read_configuration(), stop, application, work).run(resources)
    except StopRequested:
        say("  Stopped.")
        return 0
    except StartError as error:
        print(error, file=sys.stderr)
    except psycopg.Error as error:
        print(f"The database did not answer as it should: {sentence(error)}.", file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'The system'}: {error.strerror}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
