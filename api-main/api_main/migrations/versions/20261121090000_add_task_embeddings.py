"""Add task embeddings."""

from api_main.migrations.files import run_file

revision = "20261121090000"
down_revision = "20261120190610"


def upgrade() -> None:
    run_file(revision)
