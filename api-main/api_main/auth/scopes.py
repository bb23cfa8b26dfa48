"""What a personal access token can be allowed to do. A session may do all of it."""

from enum import StrEnum


class Scope(StrEnum):
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    IMAGES_PROCESS = "images:process"
    INFERENCE_RUN = "inference:run"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    AUDIT_READ = "audit:read"
    DASHBOARD_READ = "dashboard:read"
