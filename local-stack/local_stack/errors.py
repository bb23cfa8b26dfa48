"""The one kind of failure that ends `./scripts/dev` with a sentence instead of a traceback."""


class StartError(Exception):
    """Something the user can put right. The message is one complete sentence for a terminal."""
