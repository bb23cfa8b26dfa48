"""What goes over the wire about searches."""

from enum import StrEnum

from pydantic import Field

from api_main.core.envelope import Meta, Page
from api_main.core.pagination import CursorText, Limit
from api_main.tasks.schemas import Highlights, TaskFilter, TaskRead, Words


class SearchMode(StrEnum):
    HYBRID = "hybrid"
    TEXT = "text"
    SEMANTIC = "semantic"


class Meaning(StrEnum):
    """What has become of the meaning of a search."""

    INCLUDED = "included"
    LEFT_OUT = "left_out"
    WARMING_UP = "warming_up"
    UNAVAILABLE = "unavailable"
    PENDING = "pending"


class TaskSearchQuery(TaskFilter):
    q: Words
    mode: SearchMode = Field(
        default=SearchMode.HYBRID,
        description="`text`: each word must begin a word of the task. `semantic`: nearest in meaning first; waits for"
        " the model. `hybrid`: both, and the words alone while the model is not there",
    )
    limit: Limit = 50
    cursor: CursorText = None


class SimilarQuery(TaskFilter):
    limit: Limit = 10
    min_similarity: float = Field(default=0.0, ge=-1, le=1, description="1 is the same in meaning")


class TaskMatch(TaskRead):
    rank: float = Field(description="How well it matches; only good for comparing within one mode")
    highlights: Highlights


class SimilarTask(TaskRead):
    similarity: float = Field(description="The cosine of the two vectors: 1 is the same in meaning")


class SearchMeta(Meta):
    meaning: Meaning = Field(
        description="`included`: these are matches by meaning too. `left_out`: nobody asked for it. `warming_up`: by"
        " words alone; the model is being woken, ask again in a few seconds. `unavailable`: by words alone; there is"
        " no model. `pending`: this task is not embedded yet"
    )


class SearchPage(Page[TaskMatch]):
    meta: SearchMeta


class SimilarPage(Page[SimilarTask]):
    meta: SearchMeta
