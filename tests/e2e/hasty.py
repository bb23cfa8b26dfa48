"""The API's connection, for tests that have no time, and for one that takes its own."""

from api_main.core.connection import Connection
from tests.patience import PATIENCE


class Patient(Connection):
    head_seconds = PATIENCE


class Hasty(Connection):
    head_seconds = 1.0
    stalled_seconds = 1.0
    linger_seconds = 0.5
