import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.backoff import WINDOW_S, pause_s


@pytest.mark.parametrize(
    ("deaths", "pause"),
    [
        ([], 0.0),
        ([100.0], 0.0),
        ([100.0, 101.0], 0.0),
        ([100.0, 101.0, 102.0], 0.5),
        ([100.0, 101.0, 102.0, 103.0], 1.0),
        ([100.0, 101.0, 102.0, 103.0, 104.0], 2.0),
        ([100.0 + at for at in range(9)], 10.0),
    ],
)
def test_the_pause_grows_from_the_third_death_on(deaths: list[float], pause: float) -> None:
    assert pause_s(deaths) == pause


def test_deaths_of_long_ago_are_forgiven() -> None:
    assert pause_s([0.0, 1.0, 2.0, 3.0, 2.0 + WINDOW_S, 3.0 + WINDOW_S]) == 0.0


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=100).map(sorted))
def test_the_pause_never_leaves_its_bounds(deaths: list[float]) -> None:
    assert 0.0 <= pause_s(deaths) <= 10.0
