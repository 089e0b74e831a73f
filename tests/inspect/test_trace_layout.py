"""Where operations stand in the drawing of their graph."""

from hypothesis import given
from hypothesis import strategies as st

from minigan.inspect.trace.layout import place


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Return for each operation the earlier ones that it takes arrays from."""
    count = draw(st.integers(0, 30))
    return [
        draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        for number in range(count)
    ]


@given(graphs())
def test_no_two_share_a_place_and_each_is_below_its_sources(graph: list[list[int]]) -> None:
    places = place(len(graph), dict(enumerate(graph)))
    assert len(set(places)) == len(graph)
    for number, sources in enumerate(graph):
        assert all(places[source][1] < places[number][1] for source in sources)
        assert min(places[number]) >= 0


def test_a_chain_keeps_its_lane() -> None:
    assert place(4, {1: [0], 2: [1], 3: [2]}) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_a_branch_takes_another_lane_and_a_late_constant_stands_by_its_user() -> None:
    places = place(5, {1: [0], 2: [0], 3: [1, 2], 4: []})
    assert places[1][1] == places[2][1] == 1 and places[1][0] != places[2][0]
    assert place(4, {1: [0], 2: [1], 3: [2]}) != places
    late = place(5, {1: [0], 2: [1], 4: [2, 3]})
    assert late[3][1] == late[4][1] - 1
