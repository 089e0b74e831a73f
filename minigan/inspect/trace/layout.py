"""Where the operations of a trace stand in a drawing of their graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Sources = Mapping[int, Sequence[int]]


def place(count: int, sources: Sources) -> list[tuple[int, int]]:
    """Return (lane, rank) of each operation: no two share a place, and each is below its sources.

    Args:
        count: The number of operations, which are numbered in the order in which they began.
        sources: For each operation the smaller numbers that it takes arrays from.
    """
    ranks = _ranks(count, sources)
    lanes: list[int] = []
    ends: list[tuple[int, int]] = []  # of each lane the last operation, and its rank
    for number in range(count):
        lane = _lane(ends, sources.get(number, ()), lanes, ranks[number])
        if lane == len(ends):
            ends.append((number, ranks[number]))
        ends[lane] = number, ranks[number]
        lanes.append(lane)
    return list(zip(lanes, ranks, strict=True))


def _ranks(count: int, sources: Sources) -> list[int]:
    """Return the longest path to each; one without sources stands just above the first that takes its result."""
    users: dict[int, list[int]] = {}
    for number, own in sources.items():
        for source in own:
            users.setdefault(source, []).append(number)
    ranks: list[int] = []
    lowest = -1
    for number in range(count):
        own = [ranks[source] for source in sources.get(number, ())]
        alone = 0 if number in users else lowest + 1  # below what ran before it
        ranks.append(1 + max(own) if own else alone)
        lowest = max(lowest, ranks[-1])
    for number in reversed(range(count)):
        if not sources.get(number) and number in users:
            ranks[number] = max(0, min(ranks[user] for user in users[number]) - 1)
    return ranks


def _lane(
    ends: Sequence[tuple[int, int]], own: Sequence[int], lanes: Sequence[int], rank: int
) -> int:
    """Return the lane of a source that goes on here, else the first lane that is free, else a new one."""
    for source in own:
        if ends[lanes[source]][0] == source:
            return lanes[source]
    top = min((ends[lanes[source]][1] for source in own), default=rank)
    free = (lane for lane, (_, end) in enumerate(ends) if end < min(rank, top))
    return next(free, len(ends))
