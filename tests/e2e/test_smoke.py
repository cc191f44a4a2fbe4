"""The smoke suite holds against a running product, and again on the same one."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT, Product


@pytest.mark.timeout(240)
def test_every_promise_of_the_page_holds_twice_in_a_row(product: Product) -> None:
    for _turn in range(2):
        smoke = subprocess.run(
            [sys.executable, "-m", "deploy.verify.smoke", "--url", product.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert smoke.returncode == 0, smoke.stdout + smoke.stderr
