"""`parley user` beside a running gateway: what an operator does to an account is felt at once, everywhere."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.cli.main import main
from tests.support.gateway import PASSWORD, problem_of
from tests.support.ports import free_port
from tests.support.sockets import Path, ask, message, whole_path


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("PARLEY_NATS_URL", nats_url)
    monkeypatch.setenv("PARLEY_DATABASE_URL", database_url)
    async with whole_path(database_url, nats_url, rate_limits=False) as running:
        await running.start("second gateway")
        yield running


async def parley(*argv: str) -> int:
    """Run a command as another program would: in a loop of its own."""
    return await asyncio.to_thread(main, argv)


def audited(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the line that says what the operator did."""
    line: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line.pop("event") == "operator_act"
    assert line.pop("by")
    assert line.pop("timestamp").endswith("Z")
    return line


def bearer(path: Path, headers: dict[str, str]) -> tuple[str, httpx.AsyncClient]:
    token = headers["authorization"].removeprefix("Bearer ")
    return token, path.http(token)


async def sign_in(path: Path, username: str, password: str) -> httpx.Response:
    async with path.gateways["gateway"].browser() as browser:
        return await browser.post("/api/v1/auth/login", json={"username": username, "password": password})


async def test_a_disabled_account_is_out_at_once_and_looks_like_a_wrong_password(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, http = bearer(path, await path.gateways["gateway"].account("ann"))
    async with (
        http,
        path.socket(token) as here,
        path.socket(token, "phone", at="second gateway") as elsewhere,
        path.socket(await path.token_of("ben")) as ben,
    ):
        me = (await http.get("/api/v1/me")).raise_for_status().json()
        assert (await sign_in(path, "ann", PASSWORD)).status_code == 200
        capsys.readouterr()
        assert await parley("user", "disable", "Ann") == 0
        for wire in (here, elsewhere):
            assert (await wire.closing()).code == 4401
        assert audited(capsys) == {"act": "user_disable", "user_id": me["user"]["id"], "ended": 3}
        problem_of(await http.get("/api/v1/me"), 401, "unauthenticated")
        refused = problem_of(await sign_in(path, "ann", PASSWORD), 401, "unauthenticated")
        wrong = problem_of(await sign_in(path, "ben", "not the password"), 401, "unauthenticated")
        assert {**refused, "request_id": ""} == {**wrong, "request_id": ""}
        async with path.gateways["gateway"].browser() as browser:
            again = {"username": "ann", "password": PASSWORD}
            problem_of(await browser.post("/api/v1/auth/register", json=again), 409, "username_taken")
        assert (await ask(ben, message("ann"), "ack"))["seq"] == 1, "others may still write to it"

        assert await parley("user", "disable", "ann") == 0, "once more does no harm"
        assert await parley("user", "enable", "ann", "--json") == 0
        assert (await sign_in(path, "ann", PASSWORD)).status_code == 200
        problem_of(await http.get("/api/v1/me"), 401, "unauthenticated")


async def test_another_password_ends_all_sessions_and_is_the_only_one_that_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token, http = bearer(path, await path.gateways["gateway"].account("ann"))
    async with http, path.socket(token) as wire:
        monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
        assert await parley("user", "reset-password", "ann") == 1
        assert "8 to 128" in capsys.readouterr().err
        assert (await sign_in(path, "ann", PASSWORD)).status_code == 200
        monkeypatch.setattr("sys.stdin", io.StringIO("another horse\n"))
        assert await parley("user", "reset-password", "ann") == 0
        assert (await wire.closing()).code == 4401
        line = audited(capsys)
        assert (line["act"], line["ended"]) == ("user_reset_password", 3)
        assert "horse" not in json.dumps(line)
        problem_of(await http.get("/api/v1/me"), 401, "unauthenticated")
    problem_of(await sign_in(path, "ann", PASSWORD), 401, "unauthenticated")
    assert (await sign_in(path, "ann", "another horse")).status_code == 200


async def test_accounts_are_listed_in_pages_with_their_state(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cat", "ann", "ben"):
        await path.token_of(name)
    await path.gateways["gateway"].account("dan")
    assert await parley("user", "disable", "ben") == 0
    capsys.readouterr()

    async def listed(*argv: str) -> list[dict[str, Any]]:
        assert await parley("user", "list", "--json", *argv) == 0
        items: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["items"]
        return items

    everybody = await listed()
    assert [(one["username"], one["state"], one["password"], one["sign_ins"]) for one in everybody] == [
        ("ann", "active", "no", 1),
        ("ben", "disabled", "no", 0),
        ("cat", "active", "no", 1),
        ("dan", "active", "yes", 2),
    ]
    assert everybody[1]["last_used_at"] is None
    assert [one["username"] for one in await listed("--disabled")] == ["ben"]
    assert [one["username"] for one in await listed("--enabled", "--limit", "2", "--after", "ann")] == ["cat", "dan"]
    assert await parley("user", "list", "--limit", "2") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "there may be more: --after ben"


async def test_nothing_is_changed_for_an_unknown_name_or_without_the_broker(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nobody", "no such name!"):
        assert await parley("user", "disable", name) == 1
        assert f"There is no account {name}" in capsys.readouterr().err
    await path.gateways["gateway"].account("ann")
    monkeypatch.setenv("PARLEY_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    assert await parley("user", "disable", "ann") == 1
    assert "PARLEY_NATS_URL" in capsys.readouterr().err
    assert (await sign_in(path, "ann", PASSWORD)).status_code == 200
