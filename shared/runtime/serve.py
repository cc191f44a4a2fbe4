"""Serving: one uvicorn per process; a signal drains it and the process ends with 0."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import uvicorn
import uvloop

from shared.runtime import logs
from shared.runtime.health import ASGIApp
from shared.runtime.settings import SettingsError

_DRAIN_S = 8.0
_CLOSE_S = 2
_BACKLOG = 4096
_IDLE_S = 20
"""Longer than clients keep a connection for reuse: one that is closed while they write to it costs them an error."""
_log = logs.get(__name__)


class LifespanError(Exception):
    """The application ended by itself, without a signal: the process must not live on."""


async def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    http: type[asyncio.Protocol] | None = None,
    ws: type[asyncio.Protocol] | None = None,
    ws_max_size: int = 131_072,
    on_drain: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then drain and return.

    On the signal no connection is accepted any more and `on_drain` runs, for 8 s at most; open
    sockets and requests stay served while it does. Then uvicorn closes what is left and the
    app's lifespan ends. More signals meanwhile change nothing: with Ctrl-C one comes from the
    terminal and one from the launcher.

    Raises:
        LifespanError: the app's lifespan ended or failed while it should serve.
        SystemExit: start-up failed, or the address is taken (uvicorn has logged why).
    """
    watched = _WatchedLifespan(app)
    server = _Server(
        uvicorn.Config(
            watched,
            host=host,
            port=port,
            loop="none",
            http=http or "httptools",
            ws=ws or "none",
            ws_max_size=ws_max_size,
            ws_per_message_deflate=False,
            timeout_keep_alive=_IDLE_S,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_CLOSE_S,
        )
    )
    stop = asyncio.Event()
    with _signals(stop):
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve())
            await _first_of(tasks, stop, watched.ended, serving)
            if stop.is_set() and not server.started:
                # There is nothing to drain, and start-up may wait for ever. uvicorn would report
                # the end of the lifespan's task, by cancellation, as an error.
                logging.getLogger("uvicorn.error").disabled = True
                serving.cancel()
            elif stop.is_set():
                server.stop_accepting()
                if on_drain is not None:
                    await _bounded(on_drain)
            server.should_exit = True
    if watched.ended.is_set() and not stop.is_set():
        message = "the application ended without being asked to"
        raise LifespanError(message)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a service's main on uvloop: `run(main())` under `if __name__ == "__main__"`.

    The process ends with 0 when `main` returns, with 1 when the application died, and with 2 when
    its settings can't be used (a launcher then need not try again).
    """
    _collect_less()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    except* LifespanError as died:
        _log.error("service_died", reason=str(died.exceptions[0]))
        sys.exit(1)
    except* SettingsError as refused:
        sys.stderr.write(f"{refused.exceptions[0]}\n")
        sys.exit(2)


def end() -> None:
    """Drain this process and end it, as a signal from outside would: whoever keeps it up starts it anew."""
    signal.raise_signal(signal.SIGTERM)


def _collect_less() -> None:
    """Let the cyclic collector look at what modules made no more, and at the rest less often.

    Messages are short-lived values in no cycle; looking for cycles among them took a quarter of delivery's
    processor time (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which ends by raising the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop_accepting(self) -> None:
        for listener in self.servers:
            listener.close()


class _WatchedLifespan:
    """The app, with an event that is set when its lifespan is over.

    uvicorn goes on serving an app whose lifespan task has died; a process that looks alive and
    does nothing is worse than one that ends and is started again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.ended = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self.ended.set()


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handled = (signal.SIGTERM, signal.SIGINT)
    for number in handled:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def _first_of(
    tasks: asyncio.TaskGroup, stop: asyncio.Event, ended: asyncio.Event, serving: asyncio.Task[None]
) -> None:
    waiters = [tasks.create_task(stop.wait()), tasks.create_task(ended.wait())]
    await asyncio.wait([serving, *waiters], return_when=asyncio.FIRST_COMPLETED)
    for waiter in waiters:
        waiter.cancel()


async def _bounded(on_drain: Callable[[], Awaitable[None]]) -> None:
    _log.info("draining")
    try:
        async with asyncio.timeout(_DRAIN_S):
            await on_drain()
    except TimeoutError:
        _log.warning("drain_cut_short", after_s=_DRAIN_S)
    except Exception:  # noqa: BLE001 - the process ends in any case, and the rest shall end well
        _log.exception("drain_failed")
