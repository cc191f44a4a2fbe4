"""The gateway, as a process: everything is made and wired here, and opened by its lifespan."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from litestar import Litestar

from services.gateway import domain
from services.gateway.api import client
from services.gateway.api.application import Parts, make_application
from services.gateway.api.envelope import Envelope
from services.gateway.api.reads import Reads
from services.gateway.commands.commands import Commands
from services.gateway.commands.commands import running as commands_running
from services.gateway.commands.refused import Refused
from services.gateway.commands.typing import running as typing_running
from services.gateway.domain import Principal
from services.gateway.fanout.hub import Hub
from services.gateway.fanout.hub import running as hub_running
from services.gateway.fanout.presence import running as presence_running
from services.gateway.guards.attempts import Attempts
from services.gateway.guards.gate import Gate
from services.gateway.guards.passwords import Passwords
from services.gateway.guards.profiles import Profiles
from services.gateway.guards.proofs import Proofs
from services.gateway.guards.proxies import BehindProxies
from services.gateway.guards.retry_rates import RetryRates
from services.gateway.guards.revocations import Revocations
from services.gateway.guards.sign_ins import Rules, SignIns
from services.gateway.settings import Settings, load
from services.gateway.store import MAX_SEEN, Accounts, Belongings, People
from services.gateway.ws.endpoint import Endpoint, route
from services.gateway.ws.endpoint import running as endpoint_running
from services.gateway.ws.server import HttpProtocol, PicowsProtocol
from services.gateway.ws.surroundings import PATIENCE, Patience
from shared.broker.access import access
from shared.broker.connection import Connection
from shared.broker.pending import pending_messages
from shared.broker.streams import log_state
from shared.contracts.errors import Refusal
from shared.contracts.ids import GatewayId
from shared.database.schema import Schema
from shared.runtime import clock, logs, serve
from shared.runtime.broker_metrics import watch_broker
from shared.runtime.health import ASGIApp, Health, Probe, Unhealthy, routes
from shared.runtime.metrics import Metrics
from shared.runtime.tracing import open_traces

FRAME_MARGIN_BYTES: Final = 64 * 1024
"""Up to so much over its limit a frame is still read, so that its sender can be told why the socket closes."""

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, and how it is drained while it still answers."""

    app: ASGIApp
    drain: Callable[[], Awaitable[None]]


def build(settings: Settings, *, patience: Patience = PATIENCE, web: Path = client.DIRECTORY) -> Gateway:
    """Wire the service; nothing is opened before its lifespan begins. `web` is where the browser client was built."""
    gateway_id = GatewayId(secrets.token_hex(8))
    metrics = Metrics("gateway")
    traces = open_traces("gateway", settings, metrics)
    connection = Connection(access(settings, "gateway"), f"gateway {gateway_id}")
    connection.on_shut_out.append(serve.end)
    accounts = Accounts(settings.database_url)
    belongings = Belongings(accounts)
    refused = Refused(belongings, metrics)
    retry_rates = RetryRates(metrics, is_on=settings.rate_limits)
    proofs = Proofs(accounts, metrics, session_idle=settings.session_idle)
    passwords = _passwords(settings, metrics)
    revocations = Revocations(connection)
    profiles = Profiles(connection, accounts)
    reads = Reads(connection)
    cookies = domain.cookie_names(is_https=settings.is_https)
    gate = Gate(proofs, cookies, settings.allowed_origins)
    rules = Rules(settings.registration, settings.session_life, settings.token_life)
    attempts = Attempts(metrics, is_on=settings.rate_limits)
    sign_ins = SignIns(accounts, passwords, attempts, revocations.revoke, rules)
    schema = Schema(settings.database_url)
    health = Health(_probes(connection, accounts, schema, reads))
    _watch(metrics, connection, accounts)
    opened = _Opened()

    async def still_signed_in(sign_in_ids: Sequence[str]) -> Mapping[str, Principal]:
        return await accounts.still_signed_in(sign_in_ids, clock.now_ms())

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        _warn(settings, web)
        async with accounts, passwords:
            await connection.open()
            connection.on_reconnect += [proofs.forget_all, accounts.forget_all]
            try:
                async with (
                    refused.running(),
                    hub_running(connection, settings, gateway_id, metrics, traces, still_signed_in) as hub,
                    commands_running(
                        connection, accounts.find_user, settings, gateway_id, metrics, refused, traces
                    ) as commands,
                    typing_running(connection, commands.targets, settings, metrics, ttl_s=patience.typing_s) as typing,
                    presence_running(connection, accounts.find_users, gateway_id, metrics) as presence,
                    endpoint_running(
                        connection,
                        gate,
                        settings,
                        hub,
                        commands,
                        typing,
                        metrics,
                        presence=presence,
                        patience=patience,
                    ) as endpoint,
                ):
                    revocations.listeners += [proofs.forget, hub.end_sign_ins, presence.pollers.end_sign_ins]
                    await revocations.listen()
                    profiles.listeners += [
                        lambda changed: proofs.forget(changed.user_id),
                        lambda changed: accounts.forget(changed.username),
                        hub.change_account,
                    ]
                    await profiles.listen()
                    commands.on_accepted.append(typing.stop)
                    opened.hub, opened.commands, opened.endpoint = hub, commands, endpoint
                    app.state["hub"], app.state["commands"], app.state["typing"] = hub, commands, typing
                    app.state["presence"] = presence
                    _log.info("gateway_ready", gateway_id=gateway_id, origins=sorted(settings.allowed_origins))
                    yield
            finally:
                await health.close()
                await connection.close()
                await traces.close()

    app = make_application(
        Parts(
            accounts,
            proofs,
            sign_ins,
            gate,
            cookies,
            reads,
            belongings,
            refused,
            retry_rates,
            settings,
            attempts,
            People(accounts),
            profiles,
        ),
        lifespan=lifespan,
        socket=route(opened.running_endpoint),
        service_routes=routes(health, metrics),
        client=web,
        max_body_bytes=settings.limit_frame_bytes,
    )
    whole = Envelope(app, metrics, traces, is_https=settings.is_https)
    return Gateway(BehindProxies(whole, settings.trusted_networks), opened.drain)


async def main() -> None:
    """Run the service until a signal."""
    settings = load()
    logs.configure("gateway", json=logs.wants_json(settings.log_format), level=settings.log_level)
    gateway = build(settings)
    await serve.serve(
        gateway.app,
        host=settings.http_host,
        port=settings.http_port,
        http=HttpProtocol,
        ws=PicowsProtocol,
        ws_max_size=settings.limit_frame_bytes + FRAME_MARGIN_BYTES,
        on_drain=gateway.drain,
    )


@dataclass(slots=True)
class _Opened:
    """What there is only after the lifespan began."""

    hub: Hub | None = None
    commands: Commands | None = None
    endpoint: Endpoint | None = None

    def running_endpoint(self) -> Endpoint:
        """Hand out where sockets come in; they come only while the lifespan lasts."""
        if self.endpoint is None:
            raise RuntimeError("the gateway is not running")
        return self.endpoint

    async def drain(self) -> None:
        """Answer what was accepted, then say goodbye to everybody."""
        if self.commands is not None:
            await self.commands.drain()
        if self.hub is not None:
            await self.hub.drain()


def _warn(settings: Settings, web: Path) -> None:
    """Say what hardly anybody wants so."""
    if not settings.rate_limits:
        _log.warning("RATE_LIMITS_ARE_OFF", setting="PARLEY_RATE_LIMITS=off", meant_for="load tests only")
    if not client.is_built(web):
        _log.warning("client_is_not_built", directory=str(web), build_it_by="make web")


def _passwords(settings: Settings, metrics: Metrics) -> Passwords:
    passwords = Passwords(
        threads=settings.argon2_threads,
        waiting=settings.argon2_waiting,
        time_cost=settings.argon2_time_cost,
        memory_kib=settings.argon2_memory_kib,
    )
    passwords.watch(metrics)
    return passwords


def _watch(metrics: Metrics, connection: Connection, accounts: Accounts) -> None:
    watch_broker(metrics, connection, lambda: pending_messages(connection))
    metrics.bounded("users_kept", "Users remembered by name.", limit=MAX_SEEN, now=lambda: accounts.seen, kind="cache")
    metrics.database_pool(limit=accounts.room, in_use=lambda: accounts.in_use)


def _probes(connection: Connection, accounts: Accounts, schema: Schema, reads: Reads) -> list[Probe]:
    async def log() -> str:
        state = await log_state(connection)
        return f"log {state.log_id}, {state.messages} bundles, last {state.last_seq}"

    async def database() -> str:
        try:
            await accounts.ping()
        except Refusal as refusal:
            raise Unhealthy(refusal.detail) from refusal
        return "answers"

    return [
        Probe("broker", connection.probe),
        Probe("log", log),
        Probe("database", database),
        Probe("schema", schema.ping),
        Probe("reads", reads.probe),
    ]


if __name__ == "__main__":
    serve.run(main())
