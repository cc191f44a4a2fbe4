"""Three real nats-servers that are one cluster on 127.0.0.1, with wires between them that can go silent."""

import asyncio
import json
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from nats.aio.client import Client

from tests.support.children import stop
from tests.support.nats import NatsServer
from tests.support.ports import free_port

NODES: Final = 3
TOGETHER_S: Final = 40.0

CLUSTER = """
cluster {{
    name: tests
    listen: "127.0.0.1:{port}"
    # What nodes tell each other of themselves leads nowhere: all go over the wires.
    advertise: "127.0.0.1:1"
    no_advertise: true
    routes: [{routes}]
}}
lame_duck_grace_period: "1s"
lame_duck_duration: "30s"
"""


class Node(NatsServer):
    """One of the nodes; `name` is what the cluster calls it."""

    def __init__(self, folder: Path) -> None:
        """Choose ports; who the others are is told by `join`."""
        super().__init__(folder)
        self.name = f"tests-{self.port}"
        self.route_port = free_port()

    def join(self, routes: list[int]) -> None:
        """Have it find the others through these ports."""
        listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        with (self.folder / "nats.conf").open("a") as config:
            config.write(CLUSTER.format(port=self.route_port, routes=listed))

    @property
    def is_healthy(self) -> bool:
        """Whether it says that its JetStream takes part and is up to date."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def leave_in_order(self) -> None:
        """End it as a rolling restart does: its leaderships go first, then its clients, then itself."""
        self._running().send_signal(signal.SIGUSR2)
        child = self._running()
        child.wait(60)
        self._child = None

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self._child is not None:
            self.resume()
            stop(self._child, how=signal.SIGKILL)
            self._child = None


class Cluster:
    """Three nodes; `with` it. Each finds each other one over a wire of its own."""

    def __init__(self, folder: Path) -> None:
        """Choose ports and write the configs into folders of their own; nothing is started yet."""
        self.nodes: list[Node] = []
        for number in range(NODES):
            place = folder / f"node-{number}"
            place.mkdir()
            self.nodes.append(Node(place))
        self._wires = Wires(self.nodes)

    def __enter__(self) -> Self:
        self._wires.start()
        for at, node in enumerate(self.nodes):
            node.join(self._wires.ports_from(at))
            node.start()
        self.wait_together()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.end()
        self._wires.stop()

    @property
    def url(self) -> str:
        """What PARLEY_NATS_URL is set to: all nodes."""
        return ",".join(node.url for node in self.nodes)

    def node(self, name: str) -> Node:
        """Find a node by the name that the cluster knows."""
        return next(node for node in self.nodes if node.name == name)

    def at(self, port: int) -> Node:
        """Find a node by the port its clients connect to."""
        return next(node for node in self.nodes if node.port == port)

    async def leader_of(self, stream: str, *, within_s: float = 20.0) -> Node:
        """Tell which node leads a stream, as soon as one does."""
        info = await self._ask(f"$JS.API.STREAM.INFO.{stream}", lambda said: bool(_leader(said)), within_s)
        return self.node(_leader(info))

    def wait_together(self) -> None:
        """Wait until every node says that it is healthy and there is somebody who leads them.

        Raises:
            RuntimeError: that does not come about.
        """
        deadline = time.monotonic() + TOGETHER_S
        while not all(node.is_healthy for node in self.nodes):
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster does not come together\n" + self.nodes[0].log.read_text()[-2000:])
            time.sleep(0.05)

    def cut_off(self, node: Node) -> None:
        """Let nothing through between a node and the others; no connection is closed."""
        self._wires.silence(self.nodes.index(node))

    def heal(self) -> None:
        """Let everything through again."""
        self._wires.heal()

    async def _ask(
        self, subject: str, is_enough: Callable[[dict[str, object]], bool], within_s: float
    ) -> dict[str, object]:
        client = Client()
        await client.connect([node.url for node in self.nodes if node.is_healthy], connect_timeout=1)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        said = json.loads((await client.request(subject, b"", timeout=1)).data)
                    except Exception:  # noqa: BLE001 - asked again, until the time is over
                        said = {}
                    if is_enough(said):
                        return dict(said)
                    await asyncio.sleep(0.1)
        finally:
            await client.close()


def _leader(said: dict[str, object]) -> str:
    cluster = said.get("cluster")
    return str(cluster.get("leader") or "") if isinstance(cluster, dict) else ""


class Wires:
    """Forwards each node's connections to each other node, in a thread of its own."""

    def __init__(self, nodes: list[Node]) -> None:
        self._ends = [(a, b) for a in range(len(nodes)) for b in range(len(nodes)) if a != b]
        self._ports = {ends: free_port() for ends in self._ends}
        self._to = [node.route_port for node in nodes]
        self._loop = asyncio.new_event_loop()
        self._open = {ends: asyncio.Event() for ends in self._ends}
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._pipes: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    def ports_from(self, node: int) -> list[int]:
        """Return where a node finds the others."""
        return [self._ports[ends] for ends in self._ends if ends[0] == node]

    def start(self) -> None:
        """Forward from now on."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Forward no more."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def silence(self, node: int) -> None:
        """Hold back what goes to or from a node."""
        for ends, is_open in self._open.items():
            if node in ends:
                self._loop.call_soon_threadsafe(is_open.clear)

    def heal(self) -> None:
        """Hold back nothing, what was held back neither."""
        for is_open in self._open.values():
            self._loop.call_soon_threadsafe(is_open.set)

    async def _listen(self) -> None:
        for ends in self._ends:
            self._open[ends].set()

            async def forward(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[int, int] = ends
            ) -> None:
                task = asyncio.current_task()
                assert task is not None
                self._pipes.add(task)
                task.add_done_callback(self._pipes.discard)
                await self._forward(ends, reader, writer)

            self._servers.append(await asyncio.start_server(forward, "127.0.0.1", self._ports[ends]))

    async def _forward(self, ends: tuple[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_open = self._open[ends]
        try:
            await is_open.wait()
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to[ends[1]])
        except OSError:
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, there_writer, is_open))
                both.create_task(_copy(there_reader, writer, is_open))
        except* OSError:
            pass
        finally:
            writer.transport.abort()
            there_writer.transport.abort()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
    while data := await reader.read(65_536):
        await is_open.wait()
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError  # the other direction ends, too
