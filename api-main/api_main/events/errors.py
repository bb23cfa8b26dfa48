"""What can be wrong with a connection that stays open."""

from api_main.core.errors import NotFound, TooManyRequests

RETRY_AFTER = 30


class TooManyStreams(TooManyRequests):
    """Event streams and WebSockets of one account count together."""

    code, message = "too_many_streams", "Too many of your connections are open. Close one first."

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_AFTER)


class UnknownChannel(NotFound):
    """There is none of this name, or it is not the caller's: they cannot tell which."""

    code, message = "unknown_channel", "There is no such channel."


class TooManySubscriptions(TooManyRequests):
    code, message = "too_many_subscriptions", "This connection has too many subscriptions. End one first."


class TooSlow(TooManyRequests):
    """It is not the request that was too much, but what it asked for."""

    code, message = "too_slow", "You do not read what you are sent. Come again."
