"""Ports for servers that are started in a moment."""

import secrets
import socket

# Below those that the system gives, at any time, to whoever asks for none in particular.
FIRST, COUNT = 20_000, 12_000


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on, nor is likely to until it is used."""
    while True:
        port = FIRST + secrets.randbelow(COUNT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
