"""Add what the dashboard shows."""

from api_main.migrations.files import run_file

revision = "20261120190300"
down_revision = "20261120190200"


def upgrade() -> None:
    run_file(revision)
