"""What can be wrong with a task."""

from api_main.core.errors import NotFound, PreconditionFailed


class TaskNotFound(NotFound):
    """No such task, or another user's: the caller cannot tell which."""

    code, message = "task_not_found", "There is no such task."


class TaskChanged(PreconditionFailed):
    code, message = "task_changed", "The task has been changed in the meantime. Read it again."
