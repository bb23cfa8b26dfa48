"""What there are events about. A feature describes its own topic; `api_main/live_topics.py` lists them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from api_main.auth.scopes import Scope


@dataclass(frozen=True, slots=True)
class Topic:
    """A table whose changes its owners can follow.

    Attributes:
        name: of the table, as `public.live_events` has it.
        noun: of one of its rows.
        scope: what a personal token needs.
        row: SQL for the row with the id `subject`, as JSON; null where there is none that the caller may see.
    """

    name: LiteralString
    noun: LiteralString
    scope: Scope
    row: LiteralString


Topics = Sequence[Topic]
