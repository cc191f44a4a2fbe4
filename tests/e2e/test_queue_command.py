"""`parley queue` against a running product: what waits is listed, tried again, and gone once it has arrived."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.processes import ROOT, Product

QUICKLY = {
    "PARLEY_RETRY_AFTER_S": "0.3",
    "PARLEY_RETRY_BASE_S": "0.2",
    "PARLEY_RETRY_CAP_S": "0.4",
    "PARLEY_MAX_RETRIES": "2",
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product in a hurry to try again."""
    with Product(tmp_path_factory.mktemp("queue"), environ=QUICKLY) as running:
        yield running


def parley(product: Product, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command against the product's broker."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *words],
        cwd=ROOT,
        env={**os.environ, "PARLEY_NATS_URL": f"nats://127.0.0.1:{product.nats_port}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listed(product: Product, *words: str) -> Any:
    """Read a list of the queue."""
    done = parley(product, "queue", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def person(product: Product, name: str) -> Iterator[httpx.Client]:
    """Make an account, and a client that speaks for it."""
    with httpx.Client(base_url=product.url, trust_env=False) as client:
        account = {"username": name, "password": "correct horse battery"}
        client.post("/api/v1/auth/register", json=account).raise_for_status()
        client.cookies.clear()
        answer = client.post("/api/v1/auth/tokens", json=account).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client


def test_an_operator_sees_what_waits_has_it_tried_again_and_sees_it_gone(product: Product) -> None:
    assert listed(product, "list") == {"total": 0, "items": []}
    with person(product, "ann") as ann, person(product, "ben") as ben:
        sent = ann.post("/messages/send/ben/", json={"content": "are you there?"}).raise_for_status().json()
        _wait_for(product, "failed")
        (entry,) = listed(product, "show", "BEN")["items"]
        assert (entry["username"], entry["messages"], entry["attempt"], entry["reason"]) == ("ben", 1, 2, "no_device")
        assert "no_device" in parley(product, "queue", "list", "--state", "failed").stdout
        assert parley(product, "queue", "process").stdout == "1 due now\n"
        _wait_for(product, "failed")
        attempts = ann.get(f"/api/v1/messages/{sent['message_id']}/timeline").json()["recipients"][0]["attempts"]
        assert [attempt["outcome"] for attempt in attempts].count("failed") == 2
        assert parley(product, "queue", "retry", "ben", sent["conversation_id"]).returncode == 0
        cursor = f"/api/v1/conversations/{sent['conversation_id']}/cursor"
        ben.put(cursor, json={"delivered_seq": 1}).raise_for_status()
        assert listed(product, "list")["total"] == 0
    done = parley(product, "queue", "retry", "ben")
    assert (done.returncode, done.stderr) == (1, "parley: nothing waits for ben\n")
    assert parley(product, "queue", "process").stdout == "nothing waits\n"
    assert "everybody has everything" in parley(product, "queue", "list").stdout


def test_without_delivery_the_command_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "queue", "list"],
        cwd=ROOT,
        env={**os.environ, "PARLEY_NATS_URL": "nats://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "PARLEY_NATS_URL" in done.stderr


def _wait_for(product: Product, state: str) -> None:
    deadline = time.monotonic() + 30
    while listed(product, "list", "--state", state)["total"] != 1:
        assert time.monotonic() < deadline, listed(product, "list")
        time.sleep(0.1)
