"""A running product for the whole of a test module."""

from collections.abc import Iterator

import pytest

from tests.support.processes import Product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product on SQLite with its limits as they are by default."""
    with Product(tmp_path_factory.mktemp("product")) as running:
        yield running
