"""The whole system on one machine: broker, schema and streams, four services; kept up until a signal."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from deploy.local import broker, parent
from deploy.local.console import Console
from deploy.local.premises import Taken, check_ports, data_directory
from deploy.local.preparation import NotPrepared, prepare_broker, prepare_database
from deploy.local.programs import SERVICES, port_of, programs
from deploy.local.readiness import NotReady, wait_ready
from deploy.local.settings import Settings
from deploy.local.supervisor import Supervisor
from shared.broker.streams import StreamSettings
from shared.runtime import clock

_PREPARE_S = 20.0
_READY_S = 60.0
_DRAIN_S = 10.0
_BROKER_STOP_S = 5.0
_SETTINGS_REFUSED = 2


async def up(settings: Settings, streams: StreamSettings, environ: Mapping[str, str]) -> int:
    """Bring everything up, keep it up until SIGTERM, SIGINT or SIGHUP, then drain; return the exit code."""
    is_colourful = sys.stdout.isatty() and "NO_COLOR" not in environ
    console = Console(("parley", "nats", *SERVICES), is_colourful=is_colourful)
    try:
        with data_directory(settings):
            check_ports(settings)
            return await _run(System(settings, streams, environ, console), console)
    except (Taken, broker.BrokerMissing) as refusal:
        console.say("parley", str(refusal))
        return 1
    finally:
        console.close()


class System:
    """The programs of one system, each under its supervisor."""

    def __init__(
        self, settings: Settings, streams: StreamSettings, environ: Mapping[str, str], console: Console
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._console = console
        self._broker = Supervisor(broker.program(settings), console) if settings.has_own_broker else None
        self._services = [Supervisor(program, console) for program in programs(settings, environ)]
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Bring it up in order; return when every service is ready.

        Raises:
            NotPrepared: the broker does not take the streams.
            NotReady: a service does not become ready.
        """
        settings = self._settings
        if self._broker is not None:
            self._console.say("parley", f"starting the broker; data is in {settings.home}")
            self._keep(self._broker, tasks)
        await asyncio.gather(
            prepare_broker(settings.operator, self._streams, _PREPARE_S),
            prepare_database(settings.database, _PREPARE_S),
        )
        self._console.say("parley", f"streams and schema are ready; starting {', '.join(SERVICES)}")
        for service in self._services:
            self._keep(service, tasks)
        await wait_ready({name: port_of(settings, name) for name in SERVICES}, _READY_S, self._given_up)
        self._console.say("parley", f"ready: open {settings.address}")

    async def provision_again(self) -> None:
        """Whenever the broker was started again, see to its streams: it may have lost its store."""
        while self._broker is not None:
            await self._broker.restarts.wait()
            self._broker.restarts.clear()
            try:
                await prepare_broker(self._settings.operator, self._streams, _PREPARE_S)
            except NotPrepared as problem:  # the next restart tries again, and readiness tells
                self._console.say("parley", str(problem))

    async def stop(self) -> None:
        """Drain: the gateway first, while the others can still answer it; the broker last."""
        deadline = clock.monotonic() + _DRAIN_S
        gateway, *others = self._services
        await self._end([gateway], _DRAIN_S)
        await self._end(others, max(1.0, deadline - clock.monotonic()))
        if self._broker is not None:
            await self._end([self._broker], _BROKER_STOP_S)

    async def _end(self, programs: list[Supervisor], timeout_s: float) -> None:
        started = [(program, self._running[program.name]) for program in programs if program.name in self._running]
        await asyncio.gather(*(program.stop(timeout_s, running) for program, running in started))

    def _keep(self, program: Supervisor, tasks: asyncio.TaskGroup) -> None:
        self._running[program.name] = tasks.create_task(program.run())

    def _given_up(self) -> str | None:
        """Name a service that refused its settings: it would do so every time."""
        return next((service.name for service in self._services if service.last_exit == _SETTINGS_REFUSED), None)


async def _run(system: System, console: Console) -> int:
    with _signals() as told:
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(system.provision_again()), tasks.create_task(_also(told))]
            starting = tasks.create_task(_guarded(system.start(tasks)))
            stop = tasks.create_task(told.wait())
            await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
            problem = starting.result() if starting.done() else None
            if problem is not None:
                console.say("parley", problem)
                told.set()
            await stop
            console.say("parley", "stopping")
            for task in (starting, *helpers):
                task.cancel()
            await system.stop()
    console.say("parley", "stopped")
    return 0 if problem is None else 1


async def _guarded(start: Coroutine[Any, Any, None]) -> str | None:
    """Run the start; its failure becomes a text, so that what runs already is stopped in order."""
    try:
        await start
    except (NotPrepared, NotReady) as problem:
        return str(problem)
    return None


async def _also(told: asyncio.Event) -> None:
    await parent.interrupted_make()
    told.set()


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """Turn the signals that end us into an event; more of them change nothing."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    handled = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
