"""Create profiles."""

from api_main.migrations.files import run_file

revision = "20261120190100"
down_revision = "20261120190000"


def upgrade() -> None:
    run_file(revision)
