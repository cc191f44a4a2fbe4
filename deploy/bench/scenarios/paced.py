"""A steady rate: an open loop whose latencies count from when a message was due.

A message that waits because the generator or the server is late has waited all the same, so its
latency begins at its place in the plan (no coordinated omission).
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from deploy.bench.latency import percentiles_ms
from deploy.bench.people import Person
from deploy.bench.scenarios.pairs import close, drain, pair_up
from deploy.bench.talker import Tally, connect
from deploy.bench.watch import Watch

WARM_UP_S = 1.0


async def run(url: str, people: list[Person], watch: Watch, *, rate: float, seconds: float) -> dict[str, Any]:
    """Send `rate` messages a second, evenly, one talker after the other."""
    tally = Tally()
    talkers = pair_up(people, tally)
    await connect(url, talkers)
    with _Pacer(rate) as pacer:

        def send_due() -> None:
            for number in pacer.take():
                talkers[number % len(talkers)].send(number, pacer.due(number))

        pacer.attach(send_due)
        await asyncio.sleep(WARM_UP_S)
        tally.reset()
        before = watch.sample()
        await asyncio.sleep(seconds)
        after = watch.sample()
    sent = tally.sent
    unfinished = await drain(tally)
    result = {
        "scenario": "paced",
        "rate": rate,
        "seconds": round(after.at - before.at, 2),
        "sent_per_s": round(sent / (after.at - before.at)),
        "latency_ms": percentiles_ms(tally.latencies),
        "cpu_percent": watch.cpu_percent(before, after),
        "rss_mib": watch.rss_mib(),
        "refused": tally.refused,
        "unfinished": unfinished,
    }
    close(talkers)
    return result


class _Pacer:
    """Wakes the loop when messages are due: a thread that sleeps to the microsecond.

    The timers of event loops know milliseconds only, which is as much as is to be measured.
    """

    def __init__(self, rate: float) -> None:
        self._interval_s = 1 / rate
        self._begun = time.monotonic()
        self._next = 0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="pacer", daemon=True)
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> "_Pacer":
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._loop.remove_reader(self._wake)
        os.close(self._wake)

    def attach(self, send_due: Callable[[], None]) -> None:
        """Call `send_due` on the loop whenever something is due."""
        self._loop.add_reader(self._wake, send_due)

    def take(self) -> range:
        """Return the numbers that are due and were not taken yet."""
        os.eventfd_read(self._wake)
        first = self._next
        self._next = int((time.monotonic() - self._begun) / self._interval_s) + 1
        return range(first, self._next)

    def due(self, number: int) -> float:
        """Return when a message is due."""
        return self._begun + number * self._interval_s

    def _tick(self) -> None:
        tick = 0
        while not self._stopped.is_set():
            tick += 1
            os.eventfd_write(self._wake, 1)
            time.sleep(max(0.0, self.due(tick) - time.monotonic()))
