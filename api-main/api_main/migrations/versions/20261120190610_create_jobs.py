"""Create jobs."""

from api_main.migrations.files import run_file

revision = "20261120190610"
down_revision = "20261120190600"


def upgrade() -> None:
    run_file(revision)
