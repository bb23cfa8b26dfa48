"""The kinds of jobs: one module each."""

from collections.abc import Mapping

from api_main.auth.scopes import Scope
from api_main.jobs.kinds import image_batch, task_export, task_import, task_report, users_create
from api_main.jobs.work import Kind
from api_main.users import bulk

KINDS: Mapping[str, Kind] = {
    "tasks.export": Kind(task_export.run, Scope.TASKS_READ, task_export.MEDIA_TYPES),
    "tasks.import": Kind(task_import.run, Scope.TASKS_WRITE, ("application/json",)),
    "tasks.report": Kind(task_report.run, Scope.TASKS_READ, ("application/json", "image/svg+xml")),
    "images.batch": Kind(image_batch.run, Scope.IMAGES_PROCESS, ("application/zip", "application/json")),
    bulk.KIND: Kind(users_create.run, Scope.USERS_WRITE, ("application/json",)),
}
