"""Backups of the running product: what is destroyed comes back, and clients are told to start over."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import ROOT, Product

PASSWORD = "correct horse battery"


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path) as running:
        yield running


def parley(product: Product, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run a command as the product's operator."""
    own = {"PARLEY_DATA_DIR": str(product.folder / "data"), "PARLEY_NATS_PORT": str(product.nats_port)}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")} | own,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


class Person:
    """Somebody with a client that keeps what it was told, as the protocol wants it."""

    def __init__(self, http: httpx.Client, name: str, *, is_new: bool) -> None:
        self.http = http
        account = {"username": name, "password": PASSWORD}
        if is_new:
            self.http.post("/api/v1/auth/register", json=account).raise_for_status()
            self.http.cookies.clear()
        answer = self.http.post("/api/v1/auth/tokens", json=account).raise_for_status()
        self.http.headers["authorization"] = f"Bearer {answer.json()['token']}"
        self.held: dict[str, Any] = {"cursors": {}}

    def write(self, to: str, *contents: str) -> list[int]:
        """Send messages; returns their places in the conversation."""
        return [
            self.http.post(f"/messages/send/{to}/", json={"id": f"id-{content}", "content": content})
            .raise_for_status()
            .json()["seq"]
            for content in contents
        ]

    def sync(self) -> list[str]:
        """Catch up from what is held; returns the contents that came."""
        answer = self.http.post("/api/v1/sync", json=self.held).raise_for_status().json()
        self.held = {"epoch": answer["epoch"], "cursors": self.held["cursors"] | answer["cursors"]}
        return [message["content"] for each in answer["conversations"] for message in each["messages"]]

    def history(self, other: str) -> list[str]:
        """Read the conversation with somebody."""
        answer = self.http.get(f"/messages/history/{other}/").raise_for_status().json()
        return sorted(message["content"] for message in answer["messages"])


@pytest.fixture
def arrive(product: Product) -> Iterator[Callable[..., Person]]:
    """Let somebody sign in, as somebody new or as one who was there before."""
    clients: list[httpx.Client] = []

    def person(name: str, *, is_new: bool = True) -> Person:
        clients.append(httpx.Client(base_url=product.url, trust_env=False, timeout=20))
        return Person(clients[-1], name, is_new=is_new)

    yield person
    for client in clients:
        client.close()


@pytest.mark.timeout(240)
def test_a_destroyed_data_directory_comes_back_as_it_was_and_clients_start_over(
    product: Product, arrive: Callable[..., Person], tmp_path: Path
) -> None:
    ann, ben = arrive("ann"), arrive("ben")
    ann.write("ben", "1", "2", "3")
    file = tmp_path / "backup.zip"
    report = json.loads(parley(product, "backup", str(file), "--json").stdout)
    assert report["rows"]["message"] == 3
    assert ann.write("ben", "4", "5") == [4, 5]
    assert ben.sync() == ["1", "2", "3", "4", "5"]
    before = ben.held
    assert "another Parley runs" in parley(product, "restore", str(file), code=1).stderr

    product.stop()
    shutil.rmtree(tmp_path / "data")
    assert json.loads(parley(product, "restore", str(file), "--json").stdout)["log_id"]
    product.start()
    assert ben.history("ann") == ["1", "2", "3"], "its token still counts"
    arrive("ann", is_new=False)
    assert ann.write("ben", "new") == [4], "where ben holds another message"
    assert ben.sync() == ["1", "2", "3", "new"], "all of it, although ben was at 5"
    assert ben.held["epoch"] not in {before["epoch"], report["epoch"]}
    assert ann.write("ben", "2", "4") == [2, 5], "a repeat finds what was kept, and is stored where it was not"


@pytest.mark.timeout(240)
def test_of_a_destroyed_database_nothing_is_lost_while_the_log_has_what_came_since(
    product: Product, arrive: Callable[..., Person], tmp_path: Path
) -> None:
    ann, ben = arrive("ann"), arrive("ben")
    ann.write("ben", "1", "2", "3")
    file = tmp_path / "backup.zip"
    parley(product, "backup", str(file))
    ann.write("ben", "4", "5")
    assert len(ben.sync()) == 5
    product.stop()
    for path in (tmp_path / "data").glob("parley.db*"):
        path.unlink()
    parley(product, "restore", str(file))
    product.start()
    deadline = time.monotonic() + 30
    while ben.history("ann") != ["1", "2", "3", "4", "5"]:
        assert time.monotonic() < deadline, ben.history("ann")
        time.sleep(0.1)
    assert ann.write("ben", "6") == [6]
    assert ben.sync() == ["1", "2", "3", "4", "5", "6"]
