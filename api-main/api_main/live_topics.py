"""The one list of what there are events about."""

from api_main.events.topics import Topics
from api_main.jobs import events as jobs
from api_main.tasks import events as tasks

TOPICS: Topics = (tasks.TOPIC, jobs.TOPIC)
