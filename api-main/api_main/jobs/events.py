"""Changes of jobs, for those who follow them over a WebSocket."""

from api_main.auth.scopes import Scope
from api_main.events.topics import Topic

TOPIC = Topic(
    name="jobs",
    noun="job",
    scope=Scope.JOBS_READ,
    row="""(
      select row_to_json(j) from (
        select id, kind, state, priority, parameters, json_build_object('done', done, 'total', total) as progress,
          attempts, result, error, created_at, started_at, finished_at, expires_at
        from public.jobs where id = subject
      ) j
    )""",
)
