"""Which tests one worker of pytest-xdist runs, one after the other: `-n 2 --dist loadgroup --no-loadscope-reorder`."""

import pytest

PRODUCT = "product"
WHOLE_PRODUCT = ("tests/browser/", "tests/e2e/", "tests/service/test_two_deliveries.py")
"""These start many processes, kill some and measure others: never side by side."""
PURE = ("tests/contract/", "tests/unit/")
"""These are over in no time, and fill what is left at the end."""


def arrange(items: list[pytest.Item]) -> None:
    """Put each test into the group of its file, those of the whole product into one; the longest group comes first."""
    for item in items:
        path = item.nodeid.partition("::")[0]
        group = PRODUCT if path.startswith(WHOLE_PRODUCT) else path
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (not item.nodeid.startswith(WHOLE_PRODUCT), item.nodeid.startswith(PURE)))
