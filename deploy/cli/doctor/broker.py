"""The way to the broker, step by step, so that whoever can't get there is told at which step."""

import asyncio
import json
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from nats.aio.client import Client

from deploy.cli.doctor.findings import Finding, fail, fine, skip, warn
from deploy.cli.doctor.ports import START, runs_here
from deploy.cli.doctor.settings import Told
from deploy.cli.doctor.threads import in_thread
from deploy.cli.doctor.versions import OLDEST_NATS, read, said
from deploy.nats.keys import public_key
from shared.broker.access import Access
from shared.broker.connection import BROKER_ERRORS, Connection

NAME: Final = "broker"
AWAY: Final = "the broker can't be asked"
_PORT: Final = 4222
_STEP_S: Final = 2.0
_GREETING_BYTES: Final = 65_536


class Unreached(Exception):
    """A node can't be used: what was seen, and what to do."""

    def __init__(self, seen: str, advice: str) -> None:
        self.seen, self.advice = seen, advice
        super().__init__(seen)


@dataclass
class Reached:
    """What came of it: rows, and the connection where there is one. `complaints`: what the broker says of us."""

    findings: list[Finding]
    connection: Connection | None = None
    complaints: list[str] = field(default_factory=list)


async def reach(told: Told) -> Reached:
    """Go to every node that the settings name, then connect as the commands do; `leave` it afterwards."""
    local = told.local
    if local is None:
        return Reached([skip(NAME, "where it is, the settings don't say")])
    if local.has_own_broker and not runs_here(local):
        return Reached([skip(NAME, f"it comes up with the system, and none runs in {local.home}")])
    way = local.operator
    nodes = await asyncio.gather(*(_tried(server, way) for server in way.servers))
    present = {server: node for server, node in zip(way.servers, nodes, strict=True) if isinstance(node, dict)}
    away = [node for node in nodes if isinstance(node, Unreached)]
    say = warn if present else fail  # where one of a cluster's nodes is there, it does the work of those that are not
    reached = Reached([say(NAME, each.seen, each.advice) for each in away])
    if not present:
        return reached
    try:
        reached.connection = await _connected(way, list(present), reached.complaints)
    except Unreached as unreached:
        reached.findings.append(fail(NAME, unreached.seen, unreached.advice))
    else:
        reached.findings += map(_of_node, present.values())
    return reached


async def leave(reached: Reached) -> None:
    """Hang up."""
    if reached.connection is not None:
        await reached.connection.close()


def _of_node(greeting: dict[str, Any]) -> Finding:
    version = read(str(greeting.get("version", "")))
    name = greeting.get("server_name", "")
    if version < OLDEST_NATS:
        seen = f"{name} is nats-server {said(version)}, and {said(OLDEST_NATS)} is needed"
        return fail(NAME, seen, "install a newer nats-server there")
    if not greeting.get("jetstream", False):
        return fail(NAME, f"{name} runs without JetStream", "put `jetstream { store_dir: ... }` into its config")
    tls = ", over TLS" if greeting.get("tls_required") else ""
    return fine(NAME, f"{name}, nats-server {said(version)}{tls}, lets us in")


async def _tried(server: str, way: Access) -> dict[str, Any] | Unreached:
    try:
        return await _greeting(server, way)
    except Unreached as unreached:
        return unreached


async def _greeting(server: str, way: Access) -> dict[str, Any]:
    """Go to a node and read what it says first; TLS is tried as well, where it is wanted.

    Raises:
        Unreached: at one of the steps.
    """
    host, port = _address(server)
    addresses = await resolved(host, port, "PARLEY_NATS_URL")
    reader, writer = await _opened(server, addresses, port)
    try:
        greeting = await _read_greeting(server, reader)
        wants_tls, offers_tls = (
            _tls(way) is not None,
            bool(greeting.get("tls_required") or greeting.get("tls_available")),
        )
        if greeting.get("tls_required") and not wants_tls:
            raise Unreached(
                f"{server} wants TLS",
                "write tls:// in PARLEY_NATS_URL; PARLEY_NATS_CA_FILE names who vouches for its certificate",
            )
        if wants_tls and not offers_tls:
            raise Unreached(
                f"{server} does not speak TLS",
                "write nats:// in PARLEY_NATS_URL and unset PARLEY_NATS_CA_FILE, or give the broker a certificate",
            )
        if wants_tls:
            await _shake_hands(server, host, way, writer)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    return greeting


def _address(server: str) -> tuple[str, int]:
    parts = urlsplit(server if "://" in server else f"nats://{server}")
    try:
        return parts.hostname or "", parts.port or _PORT
    except ValueError as error:
        raise Unreached(f"{server} is no address: {error}", "write PARLEY_NATS_URL as nats://HOST:PORT") from error


async def resolved(host: str, port: int, setting: str) -> list[str]:
    """Look a name up; a name may stand for several machines.

    Raises:
        Unreached: there is no such name, or nobody who knows.
    """
    try:
        async with asyncio.timeout(_STEP_S):
            found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (TimeoutError, OSError, UnicodeError) as error:
        why = "nobody answers" if isinstance(error, TimeoutError) else error
        raise Unreached(
            f"the name {host!r} does not resolve ({why})",
            f"look for a slip in {setting}; a container's name resolves only while it runs, and in its network alone",
        ) from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def _opened(server: str, addresses: list[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that answers; "localhost" has two."""
    *others, last = addresses
    for address in others:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_STEP_S / 2):
                return await asyncio.open_connection(address, port, limit=_GREETING_BYTES)
    try:
        async with asyncio.timeout(_STEP_S):
            return await asyncio.open_connection(last, port, limit=_GREETING_BYTES)
    except TimeoutError as error:
        raise Unreached(
            f"{server} does not answer within {_STEP_S:g} s", "a firewall may be between, or the machine is down"
        ) from error
    except ConnectionRefusedError as error:
        raise Unreached(
            f"{server} refuses the connection: nothing listens there", f"{START}, or set PARLEY_NATS_URL right"
        ) from error
    except OSError as error:
        raise Unreached(
            f"{server} can't be reached: {error}", "look at the network between, and at PARLEY_NATS_URL"
        ) from error


async def _read_greeting(server: str, reader: asyncio.StreamReader) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_STEP_S):
            line = await reader.readline()
        if line.startswith(b"INFO "):
            return dict(json.loads(line[len(b"INFO ") :]))
    except TimeoutError as error:
        raise Unreached(
            f"{server} takes the connection, but says nothing",
            "either the broker hangs (restart it), or it begins with TLS (handshake_first), which Parley does not",
        ) from error
    except (OSError, ValueError) as error:
        raise Unreached(f"{server} hangs up: {error}", "look at its log") from error
    raise Unreached(f"{server} is no NATS broker", "another program listens there: set PARLEY_NATS_URL right")


def _tls(way: Access) -> ssl.SSLContext | None:
    try:
        return way.tls
    except OSError as error:  # a file that holds no certificate is one too
        raise Unreached(
            f"PARLEY_NATS_CA_FILE is {str(way.ca_file)!r}, which can't be used: {error}",
            "name the PEM file of the authority that has signed the broker's certificate",
        ) from error


async def _shake_hands(server: str, host: str, way: Access, writer: asyncio.StreamWriter) -> None:
    context = _tls(way)
    assert context is not None  # noqa: S101 - only where TLS is wanted
    try:
        async with asyncio.timeout(_STEP_S):
            await writer.start_tls(context, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise Unreached(
            f"{server} shows a certificate that can't be trusted: {error.verify_message}",
            "PARLEY_NATS_CA_FILE must name its authority, and PARLEY_NATS_URL a name that is in the certificate",
        ) from error
    except (OSError, TimeoutError) as error:
        raise Unreached(
            f"{server} ends the TLS handshake: {error}", "look at the broker's log and its tls block"
        ) from error


async def _connected(way: Access, servers: list[str], complaints: list[str]) -> Connection:
    """Connect as every command does, but once.

    Raises:
        Unreached: the broker does not let us in.
    """
    if way.nkey:
        _check_seed(way.nkey)

    async def note(error: Exception) -> None:
        complaints.append(str(error))

    connection = Connection(way, "parley-doctor")
    options = connection.options() | {"allow_reconnect": False, "error_cb": note, "max_reconnect_attempts": 1}
    client = Client()
    try:
        async with asyncio.timeout(_STEP_S * 1.5):
            await client.connect(servers, **way.proof(), **options)
    except BROKER_ERRORS as error:
        with suppress(*BROKER_ERRORS):
            await client.close()  # which stands open where it was not let in
        if any("authorization" in str(each).lower() for each in (error, *complaints)):
            if not way.nkey:
                raise Unreached(
                    "the broker wants a key, and none is set",
                    "set PARLEY_NATS_NKEY_FILE to the operator's seed (`parley init` makes ./secrets/nats_operator.nk)",
                ) from error
            raise Unreached(
                "the broker refuses our key",
                "its public key must be among the broker's users (./secrets/nats_users.conf, made by `parley init`); "
                "after a change the broker must be told (nats-server --signal reload, or a restart)",
            ) from error
        why = " ".join([repr(error), *complaints[-1:]])
        raise Unreached(f"the broker takes no client: {why}", "look at its log") from error
    connection.adopt(client)
    return connection


def _check_seed(seed: str) -> None:
    try:
        public_key(seed)
    except ValueError as error:
        raise Unreached(
            "what PARLEY_NATS_NKEY holds is no nkey's seed",
            "a seed begins with SU: `parley init` makes one, PARLEY_NATS_NKEY_FILE names its file",
        ) from error
