"""What the gateway does when it is told to stop, and when its database drops every connection."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.children import spawn, stop
from tests.support.gateway import prepared_gateway
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.sockets import whole_path

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def gateway_process(database_url: str, nats_url: str, log: Path) -> AsyncIterator[tuple[int, str]]:
    """Run the gateway as a process of its own until the block ends; yields its pid and address."""
    port = free_port()
    settings = {"PARLEY_DATABASE_URL": database_url, "PARLEY_NATS_URL": nats_url, "PARLEY_HTTP_PORT": str(port)}
    child = spawn([sys.executable, "-m", "services.gateway.app"], log=log, env=os.environ | settings, cwd=ROOT)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for _ in range(200):
                try:
                    if (await client.get("/health/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    assert child.poll() is None, f"see {log}"
                await asyncio.sleep(0.05)
        yield child.pid, str(client.base_url)
        assert await asyncio.to_thread(child.wait, 15) == 0, f"see {log}"
    finally:
        stop(child, how=signal.SIGKILL)


async def test_a_stopping_gateway_answers_what_it_accepted_and_ends_with_0(
    sqlite_url: str, nats_url: str, tmp_path: Path
) -> None:
    async with whole_path(sqlite_url, nats_url) as path:
        headers = {"authorization": f"Bearer {await path.token_of('ann')}"}
        await path.token_of("ben")
        await path.stop("delivery")  # so that what is accepted waits
        async with (
            gateway_process(sqlite_url, nats_url, tmp_path / "log") as (pid, url),
            httpx.AsyncClient(base_url=url, headers=headers, timeout=20, trust_env=False) as ann,
        ):
            poll = asyncio.ensure_future(ann.post("/api/v1/sync", json={"wait_s": 25}))
            sending = asyncio.ensure_future(ann.post("/messages/send/ben/", json={"content": "hi"}))
            await asyncio.sleep(0.3)
            assert not poll.done()
            assert not sending.done()
            os.kill(pid, signal.SIGTERM)
            await asyncio.sleep(0.3)
            await path.start("delivery")
            assert (await sending).status_code == 201
            assert (await poll).status_code == 200


async def test_dropped_database_connections_are_made_anew(
    postgres: PostgresServer, postgres_url: str, nats_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    drop_all = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    async with prepared_gateway(postgres_url, nats_url) as gateway, gateway.browser() as browser:
        ann = await gateway.account("ann")
        for _ in range(3):
            postgres.execute(drop_all)
            statuses = [(await browser.get("/api/v1/sessions", headers=ann)).status_code for _ in range(4)]
            assert statuses[-1] == 200
            assert set(statuses) <= {200, 503}
