"""What can be wrong with a connection that stays open."""

from api_main.core.errors import TooManyRequests

RETRY_AFTER = 30


class TooManyStreams(TooManyRequests):
    """Event streams and WebSockets of one account count together."""

    code, message = "too_many_streams", "Too many of your connections are open. Close one first."

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_AFTER)
