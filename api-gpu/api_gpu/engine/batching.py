"""Which of the waiting inputs run next, and together.

Order: a clock counts the work that was ever begun. Each input is due at the point of that clock at which it would be
done were its request alone: a request of one input overtakes what is left of a request of thousands, and nothing is
overtaken for ever, since the clock moves on with every batch.

Batches: of the first inputs that are due, those of like size go together, for a batch costs its number of inputs times
its largest. The batch that runs is the one with the input that is due first.
"""

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from api_gpu.models.pipeline import Item, Limits

WINDOW = 8  # batches' worth of inputs that are looked at, to find some of like size

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class Ticket(Generic[Owner]):
    """An input that waits, and the request that it belongs to."""

    item: Item
    owner: Owner
    position: int  # within its request
    queued_at: float
    due: int = 0
    number: int = 0

    @property
    def order(self) -> tuple[int, int]:
        return self.due, self.number


@dataclass
class Line(Generic[Owner]):
    """The inputs that wait for one model.

    Attributes:
        is_wanted: whether anybody still waits for a request. What nobody wants is dropped.
    """

    limits: Limits
    is_wanted: Callable[[Owner], bool]
    _waiting: list[Ticket[Owner]] = field(default_factory=list)
    _clock: int = 0
    _arrivals: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, tickets: Sequence[Ticket[Owner]]) -> None:
        """A request's inputs, in their order."""
        due = self._clock
        for ticket in tickets:
            due += ticket.item.size
            ticket.due, ticket.number = due, self._arrivals
            self._arrivals += 1
            insort(self._waiting, ticket, key=lambda waiting: waiting.order)

    def next_batch(self) -> list[Ticket[Owner]]:
        """The next batch, taken out of the line; empty if nobody waits."""
        self._waiting = [ticket for ticket in self._waiting if self.is_wanted(ticket.owner)]
        if not self._waiting:
            return []
        first = self._waiting[0]
        batch = next(batch for batch in batches(self._window(first), self.limits) if first in batch)
        taken = {ticket.number for ticket in batch}
        self._waiting = [ticket for ticket in self._waiting if ticket.number not in taken]
        self._clock += sum(ticket.item.size for ticket in batch)
        return batch

    def _window(self, first: Ticket[Owner]) -> list[Ticket[Owner]]:
        """The first inputs of the group of the first one."""
        chosen: list[Ticket[Owner]] = []
        size = 0
        for ticket in self._waiting:
            if ticket.item.group == first.item.group:
                chosen.append(ticket)
                size += ticket.item.size
                if size >= WINDOW * self.limits.budget or len(chosen) >= WINDOW * self.limits.batch:
                    break
        return chosen


def batches(tickets: Sequence[Ticket[Owner]], limits: Limits) -> list[list[Ticket[Owner]]]:
    """Divide them so that little is padded: from the largest to the smallest, and on to the next batch where the
    padding would cost more than one more batch does."""
    divided: list[list[Ticket[Owner]]] = []
    largest = padding = 0
    for ticket in sorted(tickets, key=lambda ticket: ticket.item.size, reverse=True):
        size = ticket.item.size
        fits = (
            divided
            and len(divided[-1]) < limits.batch
            and (len(divided[-1]) + 1) * largest <= limits.budget
            and padding + largest - size <= limits.overhead
        )
        if fits:
            divided[-1].append(ticket)
            padding += largest - size
        else:
            divided.append([ticket])
            largest, padding = size, 0
    return divided
