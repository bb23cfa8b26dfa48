"""Administer users."""

from api_main.migrations.files import run_file

revision = "20261121100100"
down_revision = "20261121100000"


def upgrade() -> None:
    run_file(revision)
