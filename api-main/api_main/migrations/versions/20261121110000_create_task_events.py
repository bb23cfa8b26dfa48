"""Create task events."""

from api_main.migrations.files import run_file

revision = "20261121110000"
down_revision = "20261121100100"


def upgrade() -> None:
    run_file(revision)
