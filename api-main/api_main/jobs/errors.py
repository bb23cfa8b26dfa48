"""What can be wrong with a request about jobs. Why a job itself failed is in its `error`; see docs/jobs.md."""

from api_main.core.errors import Conflict, NotFound, TooManyRequests

RETRY_AFTER = 30


class JobNotFound(NotFound):
    """No such job, or another user's: the caller cannot tell which."""

    code, message = "job_not_found", "There is no such job."


class JobHasNoFile(NotFound):
    code, message = "job_has_no_file", "This job has made no file."


class JobNotFinished(Conflict):
    code, message = "job_not_finished", "The job has not succeeded, or not yet."


class JobFinished(Conflict):
    code, message = "job_finished", "The job is finished: it can no longer be cancelled."


class TooManyJobs(TooManyRequests):
    code, message = "too_many_jobs", "Too many of your jobs are queued or running. Wait for one, or cancel one."

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_AFTER)
