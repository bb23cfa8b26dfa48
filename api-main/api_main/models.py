"""Every model in one place, for Alembic to compare with the database."""

from api_main.auth.models import Profile
from api_main.auth.personal_tokens.models import ApiToken
from api_main.idempotency.models import IdempotencyKey
from api_main.jobs.models import Job, JobFile
from api_main.tasks.models import Task

TABLES = {model.__tablename__ for model in (ApiToken, IdempotencyKey, Job, JobFile, Profile, Task)}
