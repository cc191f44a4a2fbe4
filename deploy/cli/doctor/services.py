"""The services: whether each answers, and what it says of its own health."""

import asyncio
import http.client
import json
from typing import Final
from urllib.parse import urlsplit

from deploy.cli.doctor.broker import Unreached, resolved
from deploy.cli.doctor.findings import Finding, fail, fine, skip, warn
from deploy.cli.doctor.ports import START, runs_here
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from deploy.local.programs import SERVICES, port_of
from deploy.local.settings import Settings

NAME: Final = "services"
_ANSWER_S: Final = 3.0
"""A service gives each of its own checks 2 s."""
_PORT: Final = 80
_READY: Final = 200


async def check(told: Told) -> list[Finding]:
    """Ask every service whether it is ready: those that were named, else those of this machine."""
    if told.services:
        rows = await asyncio.gather(*(_of_address(url) for url in told.services))
        return [row for each in rows for row in each]
    if told.local is None:
        return [skip(NAME, "where they are, the settings don't say")]
    return await _of_this_machine(told.local)


async def _of_this_machine(local: Settings) -> list[Finding]:
    ports = {service: port_of(local, service) for service in SERVICES}
    rows = await asyncio.gather(*(_of_one(service, "127.0.0.1", port) for service, port in ports.items()))
    if any(row is not None for row in rows) or runs_here(local):
        return [
            row or _silent(service, f"127.0.0.1:{ports[service]}") for service, row in zip(ports, rows, strict=True)
        ]
    seen = f"none is up on this machine (ports {local.port} to {max(ports.values())})"
    if local.has_own_broker:
        return [fail(NAME, seen, START)]
    return [warn(NAME, seen, f"{START}; where they run elsewhere, name them: --services URL,URL or PARLEY_SERVICES")]


async def _of_address(url: str) -> list[Finding]:
    """Ask at every machine that a name stands for: each is a replica."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        host, port = parts.hostname or "", parts.port or _PORT
        addresses = await resolved(host, port, "--services or PARLEY_SERVICES")
    except ValueError as error:
        return [fail(NAME, f"{url} is no address: {error}", "write --services http://HOST:PORT,http://HOST:PORT")]
    except Unreached as unreached:
        return [fail(parts.hostname or NAME, unreached.seen, unreached.advice)]
    rows = await asyncio.gather(*(_of_one(host, address, port) for address in addresses))
    replicas = [row or _silent(host, f"{address}:{port}") for row, address in zip(rows, addresses, strict=True)]
    bad = [row for row in replicas if row.advice]
    return bad or [fine(host, replicas[0].seen if len(replicas) == 1 else f"{len(replicas)} replicas are ready")]


async def _of_one(service: str, address: str, port: int) -> Finding | None:
    """Ask one process; None: nothing listens there."""
    try:
        async with asyncio.timeout(_ANSWER_S + 1):
            status, body = await in_thread(lambda: _asked(address, port))
    except ConnectionRefusedError:
        return None
    except (TimeoutError, OSError, http.client.HTTPException) as error:
        why = f"{error or type(error).__name__}"
        return fail(service, f"{address}:{port} does not answer ({why})", "it hangs, or is overloaded: look at its log")
    checks = _checks_in(body)
    if checks is None:
        seen = f"at {address}:{port} something else answers, with status {status}"
        return fail(service, seen, "stop that, or set PARLEY_PORT to another number")
    if status == _READY:
        return fine(service, f"ready at {address}:{port}")
    failing = [f"{name}: {each.get('detail')}" for name, each in checks.items() if each.get("status") != "ok"]
    return fail(service, f"not ready: {'; '.join(failing)}", "see the rows above for the cause, then its log")


def _asked(address: str, port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _checks_in(body: bytes) -> dict[str, dict[str, str]] | None:
    try:
        return dict(json.loads(body)["checks"])
    except (ValueError, KeyError, TypeError):
        return None


def _silent(service: str, where: str) -> Finding:
    return fail(service, f"nothing listens at {where}", "it is not up: look at its log; the launcher tries it again")
