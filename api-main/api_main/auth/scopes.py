"""What a personal access token can be allowed to do. A session may do all of it."""

from enum import StrEnum


class Scope(StrEnum):
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
