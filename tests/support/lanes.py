"""How several workers share the tests: a file's stay together, and what is busy follows each other in one worker."""

import pytest
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/browser/"
BUSY = (
    "tests/e2e/test_bench.py",
    "tests/e2e/test_kill.py",
    "tests/e2e/test_smoke.py",
    "tests/service/test_two_deliveries.py",
)
"""These kill a whole product, or measure it: never two of them side by side."""
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
        return BROWSER
    return "busy" if nodeid.startswith(BUSY) else nodeid.partition("::")[0]


def arrange(items: list[pytest.Item]) -> None:
    """Let the lanes that take the longest come first."""
    items.sort(key=lambda item: (not item.nodeid.startswith((BROWSER, *BUSY)), item.nodeid.startswith(PURE)))
