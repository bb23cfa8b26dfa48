"""Create the login role of the API."""

from api_main.migrations.files import run_file

revision = "20261120190000"
down_revision = None


def upgrade() -> None:
    run_file(revision)
