"""Which tests one worker of pytest-xdist runs, one after the other: `-n 3 --dist loadgroup --no-loadscope-reorder`."""

import pytest

BUSY = (
    "tests/browser/",
    "tests/e2e/test_bench.py",
    "tests/e2e/test_kill.py",
    "tests/e2e/test_smoke.py",
    "tests/service/test_two_deliveries.py",
)
"""These keep a whole product busy, kill it or measure it: never two of them side by side."""
PURE = ("tests/contract/", "tests/unit/")
"""These are over in no time, and fill what is left at the end."""


def arrange(items: list[pytest.Item]) -> None:
    """Put each test into the group of its file, the busy ones into one; that one is the longest and comes first."""
    for item in items:
        group = "busy" if item.nodeid.startswith(BUSY) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (not item.nodeid.startswith(BUSY), item.nodeid.startswith(PURE)))
