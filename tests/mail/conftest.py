"""The same two projects as in `tests/protocol`."""

from tests.protocol.conftest import auto, cheap_bcrypt, confirming

__all__ = ["auto", "cheap_bcrypt", "confirming"]
