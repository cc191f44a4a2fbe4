"""Tests that belong together run in one worker, one after the other: where they do not, nothing else says so."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

CONFTEST = "from tests.conftest import pytest_xdist_make_scheduler\n"
TEST = """\
import time, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number, worker_id):
    time.sleep(0.1)
    with open({seen!r}, "a") as seen:
        seen.write(worker_id + "\\n")
"""


def test_the_tests_of_a_file_share_a_worker_and_files_do_not_wait_for_each_other(tmp_path: Path) -> None:
    files = ("test_one", "test_two", "test_three")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in files:
        (tmp_path / f"{name}.py").write_text(TEST.format(seen=str(tmp_path / f"{name}.txt")))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "3",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    workers = [(tmp_path / f"{name}.txt").read_text().split() for name in files]
    assert all(len(seen) == 4 and len(set(seen)) == 1 for seen in workers), workers
    assert len({seen[0] for seen in workers}) == 3, workers
