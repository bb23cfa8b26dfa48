"""How long the parts of a request take, for `Server-Timing` (https://www.w3.org/TR/server-timing/)."""

from contextvars import ContextVar


class Timings:
    """Seconds of one request. Whoever spends them adds them."""

    __slots__ = ("auth", "database", "is_for_caller")

    def __init__(self) -> None:
        self.auth = 0.0
        self.database = 0.0
        self.is_for_caller = False
        """Whether somebody is known to be asking. Strangers are told nothing: how long the database works on a sign-in
        could tell whether there is an account."""

    def header(self, total: float) -> bytes:
        """Durations in milliseconds, and nothing but durations."""
        parts = (self.auth * 1000, self.database * 1000, total * 1000)
        return b"auth;dur=%.2f, db;dur=%.2f, total;dur=%.2f" % parts


current_timings: ContextVar[Timings | None] = ContextVar("current_timings", default=None)
"""Those of the request that is being answered, if it is one."""
