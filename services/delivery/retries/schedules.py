"""Schedules: the broker wakes each entry when it is due; what is lost of them, the sweep makes again."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec

from services.delivery.domain.retry import Key, Wake
from services.delivery.retries.patience import AT_ONCE, PER_S, patiently, slices
from shared.broker.connection import Connection
from shared.broker.work import Schedule, schedule
from shared.contracts import subjects
from shared.contracts.ids import ConversationId, UserId

WAITING: Final = 20_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[int, int]).decode


class Schedules:
    """Makes schedules, at most 500 a second of those that can wait; `run` it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: asyncio.Queue[Wake] = asyncio.Queue(WAITING)

    @property
    def waiting(self) -> int:
        """How many schedules are to be made soon."""
        return self._waiting.qsize()

    async def make(self, wakes: Sequence[Wake]) -> None:
        """Make schedules now; when it returns, the broker has them."""
        for part in slices(wakes):
            await patiently(partial(schedule, self._connection, [_schedule(wake) for wake in part]))

    async def add(self, wakes: Iterable[Wake]) -> None:
        """Have schedules made soon; waits while 20,000 others do."""
        for wake in wakes:
            await self._waiting.put(wake)

    def offer(self, wakes: Iterable[Wake]) -> None:
        """Have schedules made soon, or later by the sweep, where there is no room."""
        for wake in wakes:
            if self._waiting.full():
                return
            self._waiting.put_nowait(wake)

    async def run(self) -> None:
        """Make what waits, until cancelled."""
        while True:
            wakes = [await self._waiting.get()]
            while len(wakes) < AT_ONCE and not self._waiting.empty():
                wakes.append(self._waiting.get_nowait())
            await self.make(wakes)
            await asyncio.sleep(len(wakes) / PER_S)


def read_wake(subject: str, payload: bytes) -> Wake:
    """Read what a schedule that fired is for.

    Raises:
        ValueError: it was not made here.
    """
    _, user_id, conversation_id = subject.split(".")
    try:
        attempt, next_at_ms = _decode(payload)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    return Wake(Key(UserId(user_id), ConversationId(conversation_id)), attempt, next_at_ms)


def _schedule(wake: Wake) -> Schedule:
    payload = _encode((wake.attempt, wake.next_at_ms))
    return Schedule(subjects.retry(*wake.key), subjects.due(*wake.key), wake.next_at_ms, payload)
