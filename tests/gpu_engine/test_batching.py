"""Who runs next, and with whom."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gpu.engine.batching import Line, Ticket, batches
from api_gpu.models.pipeline import Item, Limits

LIMITS = Limits(budget=2048, batch=64, overhead=32)
sizes = st.lists(st.integers(1, 300), min_size=1, max_size=200)


def tickets(owner: str, lengths: Sequence[int], group: str = "") -> list[Ticket[str]]:
    return [Ticket(Item(None, size, group), owner, position, 0.0) for position, size in enumerate(lengths)]


def line(limits: Limits = LIMITS, gone: set[str] | None = None) -> Line[str]:
    return Line(limits, lambda owner: owner not in (gone or set()))


def drained(waiting: Line[str]) -> list[list[Ticket[str]]]:
    return list(iter(waiting.next_batch, []))


@given(sizes)
def test_everybody_is_in_exactly_one_batch_and_none_is_too_large(lengths: list[int]) -> None:
    everybody = tickets("a", lengths)
    divided = batches(everybody, LIMITS)
    assert sorted(map(id, itertools.chain(*divided))) == sorted(map(id, everybody))
    for batch in divided:
        largest = max(ticket.item.size for ticket in batch)
        assert len(batch) == 1 or len(batch) * largest <= LIMITS.budget
        assert len(batch) <= LIMITS.batch
        assert sum(largest - ticket.item.size for ticket in batch) <= LIMITS.overhead


def test_like_sizes_share_a_batch() -> None:
    divided = batches(tickets("a", [5, 200, 6, 201, 5, 199]), LIMITS)
    assert [[ticket.item.size for ticket in batch] for batch in divided] == [[201, 200, 199], [6, 5, 5]]


def test_what_exceeds_the_budget_runs_alone() -> None:
    divided = batches(tickets("a", [5000, 5000]), LIMITS)
    assert [len(batch) for batch in divided] == [1, 1]


@given(st.lists(sizes, min_size=1, max_size=5))
def test_all_who_wait_run_once(requests: list[list[int]]) -> None:
    waiting = line()
    for number, lengths in enumerate(requests):
        waiting.add(tickets(str(number), lengths))
    seen = [(ticket.owner, ticket.position) for batch in drained(waiting) for ticket in batch]
    assert sorted(seen) == sorted((str(n), p) for n, lengths in enumerate(requests) for p in range(len(lengths)))
    assert len(waiting) == 0


@given(sizes)
def test_the_next_batch_has_the_one_that_is_due_first(lengths: list[int]) -> None:
    waiting = line()
    waiting.add(tickets("a", lengths))
    left = set(range(len(lengths)))
    while batch := waiting.next_batch():
        assert min(left) in {ticket.position for ticket in batch}
        left -= {ticket.position for ticket in batch}


@pytest.mark.parametrize("size", [3, 20])
def test_one_input_does_not_wait_for_a_thousand(size: int) -> None:
    waiting = line()
    waiting.add(tickets("many", [20] * 1000))
    waiting.next_batch()
    waiting.add(tickets("one", [size]))
    assert "one" in {ticket.owner for ticket in waiting.next_batch()}


def test_one_long_input_does_not_wait_for_a_thousand_short_ones() -> None:
    waiting = line()
    waiting.add(tickets("many", [10] * 1000))
    waiting.next_batch()
    waiting.add(tickets("one", [250]))
    order = [{ticket.owner for ticket in batch} for batch in drained(waiting)]
    assert order.index({"one"}) <= 1


def test_nobody_is_overtaken_for_ever() -> None:
    """However many come with one input each, a thousand inputs get their turn."""
    waiting = line(Limits(budget=100, batch=10, overhead=0))
    waiting.add(tickets("many", [10] * 1000))
    done = 0
    for number in range(2000):  # the newcomers alone would keep the device busy
        waiting.add([*tickets(f"{number}", [10] * 10)])
        done += sum(ticket.owner == "many" for ticket in waiting.next_batch())
    assert done == 1000


def test_requests_of_one_input_are_served_in_the_order_of_their_arrival() -> None:
    waiting = line(Limits(budget=1000, batch=2))
    for name in "abcdef":
        waiting.add(tickets(name, [10]))
    assert ["".join(ticket.owner for ticket in batch) for batch in drained(waiting)] == ["ab", "cd", "ef"]


def test_groups_are_not_mixed() -> None:
    waiting = line()
    waiting.add([*tickets("a", [1], "x"), *tickets("b", [1], "y"), *tickets("c", [1], "x")])
    assert [[ticket.owner for ticket in batch] for batch in drained(waiting)] == [["a", "c"], ["b"]]


@pytest.mark.parametrize("left", ["a", "b"])
def test_nobody_works_for_those_who_have_gone(left: str) -> None:
    gone = {"a", "b"} - {left}
    waiting = line(gone=gone)
    waiting.add([*tickets("a", [1, 2]), *tickets("b", [1, 2])])
    assert {ticket.owner for batch in drained(waiting) for ticket in batch} == {left}
