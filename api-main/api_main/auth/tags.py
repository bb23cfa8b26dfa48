"""What is kept in the cache and made of accounts, by the tags that a change of accounts invalidates."""

from uuid import UUID

ACCOUNTS = "accounts"


def profile_of(account: UUID) -> str:
    """What is made of somebody's profile, and of their rights."""
    return f"profile of {account.hex}"


def sessions_of(account: UUID) -> str:
    """What is known of somebody's sessions."""
    return f"sessions of {account.hex}"
