"""The floor: the parts a message can't do without, each alone on the same machine and minute."""

import asyncio
import multiprocessing
import secrets
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import nats
from nats.js.api import StorageType
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_connect,
    ws_create_server,
)

from deploy.bench.system import nats_server

SOCKETS = 100
PARTITIONS = 4
BUNDLE = 128
BATCH = 512
MESSAGE = b"x" * 220
COMMAND = b"x" * 300


async def run(*, in_flight: int, seconds: float) -> dict[str, Any]:
    """Measure an echo over WebSockets, bundles into JetStream, and rows into SQLite."""
    with tempfile.TemporaryDirectory(prefix="parley-floor-") as folder:
        echo = await _echo(in_flight, seconds)
        log = await _log(Path(folder), seconds)
        rows = await asyncio.to_thread(_insert, Path(folder) / "floor.db", seconds)
    return {
        "scenario": "floor",
        "echoes_per_s": round(echo),
        "log_commands_per_s": round(log),
        "rows_per_s": round(rows),
        # A message needs one of each; one after the other they take this long.
        "together_per_s": round(1 / (1 / echo + 1 / log + 1 / rows)),
    }


class _Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send back what came."""
        transport.send(WSMsgType.TEXT, frame.get_payload_as_bytes())


class _Counter(WSListener):
    def __init__(self) -> None:
        self.count = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count, and send the next."""
        self.count += len(frame.get_payload_as_bytes()) > 0
        transport.send(WSMsgType.TEXT, MESSAGE)


def _handing(counter: _Counter) -> Callable[[], WSListener]:
    return lambda: counter


def _serve_echo(ready: Connection) -> None:
    async def serve() -> None:
        def accept(request: WSUpgradeRequest) -> WSListener:
            del request
            return _Echo()

        server = await ws_create_server(accept, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def _echo(in_flight: int, seconds: float) -> float:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=_serve_echo, args=(theirs,), daemon=True)
    server.start()
    try:
        port = await asyncio.to_thread(ours.recv)
        counters = [_Counter() for _ in range(SOCKETS)]
        for counter in counters:
            address = f"ws://127.0.0.1:{port}/"
            transport, _ = await ws_connect(_handing(counter), address)
            for _ in range(max(1, in_flight // SOCKETS)):
                transport.send(WSMsgType.TEXT, MESSAGE)
        begun, before = time.monotonic(), sum(counter.count for counter in counters)
        await asyncio.sleep(seconds)
        done = sum(counter.count for counter in counters) - before
        return done / (time.monotonic() - begun)
    finally:
        server.terminate()
        server.join()


async def _log(folder: Path, seconds: float) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nats.conf"
    config.write_text(
        f'host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: "{folder}/jetstream"\nsync_interval: always }}\n'
    )
    broker = await asyncio.to_thread(
        subprocess.Popen,
        [nats_server(), "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _listening(port)
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        log = client.jetstream()
        await log.add_stream(name="FLOOR", subjects=["floor.*"], storage=StorageType.FILE)
        stop_at = time.monotonic() + seconds

        async def publish(partition: int) -> int:
            count = 0
            while time.monotonic() < stop_at:
                await log.publish(f"floor.{partition}", COMMAND * BUNDLE)
                count += BUNDLE
            return count

        begun = time.monotonic()
        done = sum(await asyncio.gather(*map(publish, range(PARTITIONS))))
        elapsed = time.monotonic() - begun
        await client.close()
        return done / elapsed
    finally:
        broker.terminate()
        broker.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _insert(path: Path, seconds: float) -> float:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE message (conversation_id TEXT, seq INTEGER, message_id TEXT UNIQUE,"
        " content TEXT, PRIMARY KEY (conversation_id, seq)) WITHOUT ROWID"
    )
    begun, seq = time.monotonic(), 0
    while time.monotonic() < begun + seconds:
        rows = [(f"d{at % 50}", seq + at, secrets.token_hex(16), MESSAGE.decode()) for at in range(BATCH)]
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO message VALUES (?, ?, ?, ?)", rows)
        database.execute("COMMIT")
        seq += BATCH
    elapsed = time.monotonic() - begun
    database.close()
    return seq / elapsed
