"""Waiting until services say that they are ready, and telling which one is not, and why."""

import asyncio
import http.client
import json
from collections.abc import Callable, Mapping

from shared.runtime import clock

_ASK_EVERY_S = 0.1
_TIMEOUT_S = 3.0
_OK = 200


class NotReady(Exception):
    """A service did not become ready; the text names it and what it says."""


async def wait_ready(ports: Mapping[str, int], timeout_s: float, has_given_up: Callable[[], str | None]) -> None:
    """Ask `/health/ready` of each service until all answer 200.

    `has_given_up` names a service that can't come up; then nobody waits any longer.

    Raises:
        NotReady: the time is over, or a service has given up.
    """
    deadline = clock.monotonic() + timeout_s
    waiting = dict(ports)
    while waiting:
        found = await asyncio.gather(*(asyncio.to_thread(complaint, port) for port in waiting.values()))
        complaints = {name: text for name, text in zip(waiting, found, strict=True) if text is not None}
        waiting = {name: ports[name] for name in complaints}
        if name := has_given_up():
            raise NotReady(f"{name} does not start; its reason is above")
        if waiting and clock.monotonic() > deadline:
            why = "; ".join(f"{name}: {text}" for name, text in complaints.items())
            raise NotReady(f"not ready after {timeout_s:.0f} s: {why}")
        if waiting:
            await asyncio.sleep(_ASK_EVERY_S)


def complaint(port: int) -> str | None:
    """Ask one service on this machine; None when it is ready, else what is wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({error})"
    finally:
        connection.close()
    return None if answer.status == _OK else _failing(body)


def _failing(body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
        return ", ".join(
            f"{name} is failing: {check['detail']}" for name, check in checks.items() if check["status"] != "ok"
        )
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
