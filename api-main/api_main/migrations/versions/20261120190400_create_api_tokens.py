"""Create api tokens."""

from api_main.migrations.files import run_file

revision = "20261120190400"
down_revision = "20261120190300"


def upgrade() -> None:
    run_file(revision)
