"""One connection to the broker: it reconnects for ever, buffers nothing while it is away, and says what it lost."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.client import JetStreamContext

from shared.broker import waits
from shared.broker.access import Access, servers_in
from shared.broker.lives import HEADER, Life, Lives
from shared.broker.nodes import NodeWatch

BROKER_ERRORS: Final = (nats.errors.Error, TimeoutError, OSError)
"""What a call to the broker may raise when the broker, or the way to it, is at fault (JetStream's errors too)."""

PENDING_MESSAGES: Final = 65_536
PENDING_BYTES: Final = 128 * 1024 * 1024
_FOREVER_S: Final = 86_400
_REFUSED: Final = ("authorization violation", "authorization failed", "authentication revoked")
"""What the broker says, in nats-py's words too, where it does not take a key, or no more."""
_REFUSED_PAUSE_S: Final = 2.0
_ADVICE: Final = "PARLEY_NATS_NKEY_FILE must name the seed of a key that is among the broker's users (`parley init`)"

log = structlog.get_logger("broker")
waits.mend()


class Reply(NamedTuple):
    """What came back for a request."""

    payload: bytes
    headers: dict[str, str]


class Connection:
    """A connection by name; `options` also fit FastStream's NatsBroker, whose client is then `adopt`ed.

    Hooks run in the event loop and must not block: `on_disconnect`, `on_reconnect`, `on_dropped` (a subscription's
    queue was full: messages are gone, the argument is its subject), `on_left` (of several nodes, this one is left for
    another, over which the log can be reached), and `on_shut_out` (the broker takes our key no more, and this
    connection will not come back: a new process may have a new key).
    """

    def __init__(self, to: Access | str, name: str) -> None:
        way = to if isinstance(to, Access) else Access(servers_in(to))
        self.access = replace(way, servers=tuple(random.sample(way.servers, len(way.servers))))
        self.name = name
        self.on_disconnect: list[Callable[[], None]] = []
        self.on_reconnect: list[Callable[[], None]] = []
        self.on_dropped: list[Callable[[str], None]] = []
        self.on_left: list[Callable[[], None]] = []
        self.on_shut_out: list[Callable[[], None]] = []
        self._client: Client | None = None
        self._has_opened = asyncio.Event()
        self._last_errors: deque[str] = deque(maxlen=8)  # they may take turns
        self._is_shut_out = False
        self._watching: asyncio.Task[None] | None = None
        self._life = Life()
        self._lives = Lives()

    def options(self) -> dict[str, Any]:
        """Return the arguments for nats-py's `connect` and for FastStream's `NatsBroker`, but for address and key."""
        return {
            "name": self.name,
            "inbox_prefix": self.access.inbox,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.2,
            "connect_timeout": 2,
            "dont_randomize": True,  # the nodes are shuffled once, so that the next one is always another one
            "ping_interval": 10,
            "max_outstanding_pings": 2,
            "pending_size": 0,  # a publish while disconnected fails at once, instead of being sent much later
            "drain_timeout": 5,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
            "closed_cb": self._on_closed,
        }

    async def open(self) -> None:
        """Connect, waiting for a broker that is not there yet."""
        client = Client()
        await client.connect(list(self.access.servers), **self.access.proof(), **self.options())
        self.adopt(client)

    def adopt(self, client: Client) -> None:
        """Speak over a client that was connected with `options` elsewhere."""
        self._client = client
        self._has_opened.set()
        if len(self.access.servers) > 1:
            watch = NodeWatch(client, self.access, self.name, lambda: self._run(self.on_left))
            self._watching = asyncio.ensure_future(watch.run())

    async def opened(self) -> None:
        """Wait for the first connection; that it takes its time is nothing to complain of."""
        await self._has_opened.wait()

    async def close(self) -> None:
        """Send what was published, then hang up."""
        client, self._client = self._client, None
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if client is not None and not client.is_closed:
            with contextlib.suppress(*BROKER_ERRORS):
                await client.close()

    @property
    def client(self) -> Client:
        """The nats-py client; only for this package and for FastStream."""
        if self._client is None:
            raise nats.errors.ConnectionClosedError
        return self._client

    @property
    def is_connected(self) -> bool:
        """Whether a publish would leave this process now."""
        return self._client is not None and self._client.is_connected

    @property
    def trouble(self) -> str:
        """What went wrong last, since the broker was last reached; "" where nothing did."""
        return self._last_errors[-1] if self._last_errors else ""

    def jetstream(self, timeout_s: float = 5.0) -> JetStreamContext:
        """Return JetStream's interface with a timeout for each of its calls."""
        return self.client.jetstream(timeout=timeout_s)

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish on core NATS, at most once.

        Raises:
            One of BROKER_ERRORS: not connected, or the connection broke.
        """
        if len(self.access.servers) > 1:
            headers = {**(headers or {}), HEADER: self._life.stamp}
        await self.client.publish(subject, payload, headers=headers)

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float = 2.0, headers: dict[str, str] | None = None
    ) -> Reply:
        """Ask and wait for one reply.

        Raises:
            One of BROKER_ERRORS: nobody listens, no reply in time, or not connected.
        """
        message = await self.client.request(subject, payload, timeout=timeout_s, headers=headers)
        return Reply(message.data, message.headers or {})

    async def subscribe(
        self,
        subject: str,
        handler: Callable[[bytes], Awaitable[None] | None],
        *,
        queue: str = "",
        only_newer: bool = False,
    ) -> Subscription:
        """Call `handler` with each payload, in order. A full queue drops and tells `on_dropped`.

        `only_newer`: nothing that its publisher sent over a node which it has left and spoken after since.
        """

        async def on_message(message: Msg) -> None:
            if only_newer and self.is_overtaken(message):
                return
            outcome = handler(message.data)
            if outcome is not None:
                await outcome

        return await self.client.subscribe(
            subject,
            queue=queue,
            cb=on_message,
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=PENDING_BYTES,
        )

    def is_overtaken(self, message: Msg) -> bool:
        """Tell whether newer words of the same publisher were heard already, which it sent over another connection."""
        return message.headers is not None and self._lives.is_over(message.headers.get(HEADER, ""))

    async def flushed(self, timeout_s: float) -> bool:
        """Tell whether the broker has got everything published so far, as far as is known within `timeout_s`.

        nats-py 2.16 goes deaf when a flush is cancelled or times out, so this waits beside it and leaves it be.
        """
        flush = asyncio.ensure_future(self.client.flush(_FOREVER_S))
        done, _ = await asyncio.wait({flush}, timeout=timeout_s)
        if not done:
            flush.add_done_callback(_forget)
            return False
        return flush.exception() is None

    async def probe(self) -> str:
        """Prove that this process still hears the broker: an echo to itself; returns the server's name.

        Raises:
            One of BROKER_ERRORS.
        """
        client = self.client
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def on_echo(_message: Msg) -> None:
            if not heard.done():
                heard.set_result(None)

        inbox = client.new_inbox()
        echo = await client.subscribe(inbox, cb=on_echo)
        try:
            await client.publish(inbox, b"")
            async with asyncio.timeout(1.5):
                await heard
        finally:
            with contextlib.suppress(*BROKER_ERRORS):
                await echo.unsubscribe()
        node = client.connected_url
        return f"connected to {f'{node.hostname}:{node.port}' if node else 'the broker'}"

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            log.error("subscription_dropped_messages", connection=self.name, subject=error.subject)
            for dropped in self.on_dropped:
                dropped(error.subject)
            return
        is_news = repr(error) not in self._last_errors
        if is_news:
            self._last_errors.append(repr(error))
        if not _is_refusal(error):
            (log.warning if is_news else log.debug)("broker_error", connection=self.name, error=repr(error))
        elif self._has_opened.is_set():
            self._shut_out(error)  # it was taken before, and is tried again and again by nats-py
        else:
            (log.error if is_news else log.debug)("broker_refuses_key", connection=self.name, advice=_ADVICE)
            await asyncio.sleep(_REFUSED_PAUSE_S)  # nats-py waits with us

    async def _on_disconnect(self) -> None:
        client = self._client
        if client is not None and not (client.is_closed or client.is_draining):
            log.warning("broker_disconnected", connection=self.name)
        self._life.end()
        self._run(self.on_disconnect)

    async def _on_reconnect(self) -> None:
        log.info("broker_reconnected", connection=self.name)
        self._last_errors.clear()
        self._run(self.on_reconnect)

    async def _on_closed(self) -> None:
        client = self._client
        if client is not None and client.last_error is not None and _is_refusal(client.last_error):
            self._shut_out(client.last_error)

    def _shut_out(self, error: Exception) -> None:
        if not self._is_shut_out:
            self._is_shut_out = True
            log.error("broker_shut_out", connection=self.name, error=str(error), advice=_ADVICE)
            self._run(self.on_shut_out)

    def _run(self, hooks: list[Callable[[], None]]) -> None:
        """Run the hooks; nothing they do wrong may reach nats-py, whose reconnecting would end with it for good."""
        for hook in list(hooks):
            try:
                hook()
            except Exception:
                log.exception("hook_failed", connection=self.name, hook=getattr(hook, "__qualname__", repr(hook)))


def _is_refusal(error: Exception) -> bool:
    return any(words in str(error).lower() for words in _REFUSED)


def _forget(flush: "asyncio.Future[None]") -> None:
    if not flush.cancelled():
        flush.exception()  # looked at, so that nobody warns of it
