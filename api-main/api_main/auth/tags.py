"""What is kept in the cache and made of accounts, by the tags that a change of accounts invalidates."""

from uuid import UUID

ACCOUNTS = "accounts"


def rights_of(account: UUID) -> str:
    return f"rights of {account}"
