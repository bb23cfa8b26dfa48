"""${message}."""

from api_main.migrations.files import run_file

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_file(revision)
