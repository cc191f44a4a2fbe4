"""The smoke suite holds against a running product, and again on the same one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Product

PATIENCE = "3"
"""Other tests run at the same time."""
QUICK_RETRIES = {"PARLEY_RETRY_AFTER_S": "0.5", "PARLEY_RETRY_BASE_S": "0.5"}


@pytest.mark.timeout(600)
def test_every_promise_of_the_page_holds_twice_in_a_row(product: Product) -> None:
    for _turn in range(2):
        smoke(product)


@pytest.mark.timeout(120)
def test_what_is_tried_in_vain_is_parked_and_redeemed(tmp_path: Path) -> None:
    with Product(tmp_path, environ=QUICK_RETRIES) as product:
        smoke(product, "--long", "--only", "retries parked")


def smoke(product: Product, *options: str) -> None:
    """Run the suite, or a part of it, as a user does."""
    run = subprocess.run(
        [sys.executable, "-m", "deploy.verify.smoke", "--url", product.url, "--patience", PATIENCE, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
