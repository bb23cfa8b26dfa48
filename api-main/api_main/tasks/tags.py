"""What is kept in the cache and made of tasks, by the tags that a write of tasks invalidates."""

from uuid import UUID

ALL_TASKS = "tasks"


def tasks_of(owner: UUID) -> str:
    return f"tasks of {owner}"
