"""How several workers share the tests: a file's stay together, and all that starts the product follows each other."""

import pytest
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/browser/"
KILLS = ("tests/e2e/test_kill.py", "tests/service/test_two_deliveries.py")
PRODUCT = ("tests/e2e/", "tests/monitoring/", "tests/service/test_broker_cluster.py")
GREEDY = (
    "tests/e2e/test_smoke.py",
    "tests/e2e/test_bench.py",
    "tests/e2e/test_web_build.py",
    "tests/e2e/test_fresh.py",
)
"""These want the machine for themselves: they come when the browser has finished."""
PURE = ("tests/contract/", "tests/unit/")
"""These are over in no time, and fill what is left at the end."""


class Lanes(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """Hands out lane after lane, in the order in which they were collected.

    Groups by marker (`--dist loadgroup` of pytest-xdist 3.8) do nothing with pytest 9.2, and say nothing of it.
    """

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)


def lane(nodeid: str) -> str:
    """Tell with which others a test stays together."""
    if nodeid.startswith(BROWSER):
        return "browser"
    return "product" if nodeid.startswith((*KILLS, *PRODUCT)) else nodeid.partition("::")[0]


def arrange(items: list[pytest.Item]) -> None:
    """Let the lanes that take the longest come first."""
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    if nodeid.startswith((BROWSER, *KILLS)):
        return 0
    if nodeid.startswith(PRODUCT):
        return 2 if nodeid.startswith(GREEDY) else 1
    return 4 if nodeid.startswith(PURE) else 3
