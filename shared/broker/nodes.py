"""Leaves a node of a cluster over which the log cannot be reached, if it can be reached over another one.

A client that is connected to a node which is frozen, or cut off from the others, would else wait there: a frozen one
is noticed by pings after half a minute, one that is cut off answers them.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from nats.aio.client import Client

from shared.broker.access import Access
from shared.contracts import subjects

ASK_EVERY_S: Final = 1.0
ASK_S: Final = 1.0
PATIENCE_S: Final = 3.0
"""For so long a node may fail before another one is looked at."""
REST_S: Final = 10.0
"""Between one leaving and the next: a cluster that heals is given the time for it."""
SILENT_NS: Final = 4 * 10**9
"""A replica that its leader has not heard of for so long does not count; it should be heard each second."""
_NO_SUCH_STREAM: Final = 404
_QUESTION: Final = f"$JS.API.STREAM.INFO.{subjects.CHAT_STREAM}"

log = structlog.get_logger("broker")


class Unreachable(Exception):
    """What a node says of the log shows that nothing can be appended to it from there."""


class NodeWatch:
    """Watches the node of one client, as long as that is not closed; `on_leave` is called before a node is left."""

    def __init__(self, client: Client, access: Access, name: str, on_leave: Callable[[], None]) -> None:
        self._client = client
        self._access = access
        self._name = name
        self._on_leave = on_leave

    async def run(self) -> None:
        """Ask each second; leave when it is time to, and when there is somewhere better to go."""
        failing_since = 0.0
        rests_until = 0.0
        while not self._client.is_closed:
            await asyncio.sleep(ASK_EVERY_S)
            if not self._client.is_connected:
                failing_since = 0.0
                continue
            asked_at = time.monotonic()
            problem = await _problem(self._client)
            if not problem:
                failing_since = 0.0
                continue
            failing_since = failing_since or asked_at
            now = time.monotonic()
            if now - failing_since < PATIENCE_S or now < rests_until or not self._client.is_connected:
                continue
            better = await self._better()
            if better and self._client.is_connected:
                await self._leave_for(better, problem)
                failing_since, rests_until = 0.0, time.monotonic() + REST_S

    async def _better(self) -> str:
        """Find another node over which the log can be reached; "" where there is none."""
        here = _place(self._client.connected_url.netloc if self._client.connected_url else "")
        others = [server for server in self._access.servers if _place(urlsplit(server).netloc) != here]
        problems = await asyncio.gather(*(self._problem_at(server) for server in others))
        return next((server for server, problem in zip(others, problems, strict=True) if not problem), "")

    async def _problem_at(self, server: str) -> str:
        way, visitor = self._access, Client()
        try:
            async with asyncio.timeout(2 * ASK_S):
                await visitor.connect(
                    server,
                    name=f"{self._name} (looks)",
                    **way.proof(),
                    inbox_prefix=way.inbox,
                    connect_timeout=1,
                    allow_reconnect=False,
                    error_cb=_ignore,
                )
                return await _problem(visitor)
        except Exception as error:  # noqa: BLE001 - whatever it is: it is no better there
            return repr(error)
        finally:
            with contextlib.suppress(Exception):
                await visitor.close()

    async def _leave_for(self, server: str, problem: str) -> None:
        client = self._client
        left = client.connected_url
        log.warning(
            "broker_node_left",
            connection=self._name,
            node=_place(left.netloc) if left else "",
            goes_to=_place(urlsplit(server).netloc),
            problem=problem,
        )
        self._on_leave()
        # nats-py takes the first of its pool; it has no public way to say which that is.
        client._server_pool.sort(key=lambda known: _place(known.uri.netloc) != _place(urlsplit(server).netloc))  # noqa: SLF001
        transport = client._transport  # noqa: SLF001
        await client.force_reconnect()  # only begins it, in a task of its own
        # A frozen node neither reads what is left to send nor says goodbye over TLS: nobody may wait for that.
        writer = getattr(transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()


async def _problem(client: Client) -> str:
    """Ask for the log, and say what is wrong with it; "" where nothing is."""
    try:
        async with asyncio.timeout(ASK_S):
            said = json.loads((await client.request(_QUESTION, b"", timeout=ASK_S + 1)).data)
        _check(said)
    except Exception as error:  # noqa: BLE001 - whatever it is, the log was not reached
        return repr(error)
    return ""


def _check(said: dict[str, Any]) -> None:
    """See that whoever answered leads the log, and still has the majority of its copies behind it.

    Raises:
        Unreachable: it does not.
    """
    if "error" in said:
        if said["error"].get("code") != _NO_SUCH_STREAM:  # then there is nothing to be reached
            raise Unreachable(said["error"].get("description", "an error"))
        return
    copies = (said.get("cluster") or {}).get("replicas") or []
    silent = [copy for copy in copies if copy.get("offline") or copy.get("active", 0) > SILENT_NS]
    if 2 * len(silent) > len(copies):
        raise Unreachable(f"{len(silent)} of the log's {len(copies) + 1} copies are silent")


def _place(netloc: str) -> str:
    """Return host and port without a user."""
    return netloc.rpartition("@")[2]


async def _ignore(_error: Exception) -> None:
    pass
