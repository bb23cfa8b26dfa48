"""Create tasks."""

from api_main.migrations.files import run_file

revision = "20261120190200"
down_revision = "20261120190100"


def upgrade() -> None:
    run_file(revision)
