"""The same two projects as in `tests/protocol`."""

from tests.protocol.conftest import auto, confirming

__all__ = ["auto", "confirming"]
