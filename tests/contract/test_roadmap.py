"""The roadmap names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_roadmap_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/*.]+)`", (ROOT / "docs" / "roadmap.md").read_text())
    assert len(named) > 20
    assert [name for name in named if not list(ROOT.glob(name))] == []
