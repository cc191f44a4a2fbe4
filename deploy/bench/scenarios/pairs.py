"""Pairs at saturation: a closed loop with a fixed number of messages in flight."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from deploy.bench.latency import percentiles_ms
from deploy.bench.people import Person
from deploy.bench.talker import Talker, Tally, connect
from deploy.bench.watch import Watch

WARM_UP_S = 1.0
DRAIN_S = 10.0


async def run(
    url: str,
    people: list[Person],
    watch: Watch,
    *,
    in_flight: int,
    seconds: float,
    receipts: bool,
) -> dict[str, Any]:
    """Keep `in_flight` messages on their way: each that is received and acked makes room for one."""
    tally = Tally(receipts=receipts)
    talkers = pair_up(people, tally)
    await connect(url, talkers)
    count = len(talkers)
    numbers = iter(range(1 << 40))

    def send_next(done: int) -> None:
        number = next(numbers)
        owner[number] = owner.pop(done)
        talkers[owner[number]].send(number, time.monotonic())

    owner: dict[int, int] = {}
    for at in range(in_flight):
        number = next(numbers)
        owner[number] = at % count
        talkers[at % count].send(number, time.monotonic())
    tally.on_done = send_next
    await asyncio.sleep(WARM_UP_S)
    tally.reset()
    before = watch.sample()
    await asyncio.sleep(seconds)
    after = watch.sample()
    elapsed = after.at - before.at
    result = {
        "scenario": "pairs",
        "pairs": count // 2,
        "in_flight": in_flight,
        "receipts": receipts,
        "seconds": round(elapsed, 2),
        "messages_per_s": round(tally.done / elapsed),
        "latency_ms": percentiles_ms(tally.latencies),
        "cpu_percent": watch.cpu_percent(before, after),
        "rss_mib": watch.rss_mib(),
        "refused": tally.refused,
    }
    result["unfinished"] = await drain(tally)
    close(talkers)
    return result


def pair_up(people: list[Person], tally: Tally) -> list[Talker]:
    """Let neighbours write to each other."""
    return [
        Talker(person, people[number ^ 1].username, tally)
        for number, person in enumerate(people[: len(people) // 2 * 2])
    ]


async def drain(tally: Tally) -> int:
    """Wait for what is in flight; return how many messages never came through."""
    empty = asyncio.Event()

    def look(_: int) -> None:
        if not tally.state:
            empty.set()

    tally.on_done = look
    if tally.state:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await empty.wait()
    return len(tally.state)


def close(talkers: list[Talker]) -> None:
    """Drop all sockets.

    Raises:
        ConnectionError: the server closed some before us: what was measured does not count.
    """
    lost = sum(talker.closed for talker in talkers)
    for talker in talkers:
        talker.close()
    if lost:
        raise ConnectionError(f"the server closed {lost} of {len(talkers)} sockets")
