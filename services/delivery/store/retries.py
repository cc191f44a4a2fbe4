"""The writes to entries of `retry`: opened, woken, driven anew; each is short, for the log's batches wait behind it.

On SQLite they go through the one writer of the process. On PostgreSQL none waits for a row that somebody else has
locked: it passes that entry over, for whoever has it sees to it; so nothing here can be part of a deadlock.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from services.delivery.domain import retry
from services.delivery.domain.retry import Await, Close, Entry, Key, Park, RetryAt, Tried, Wake
from services.delivery.store.batches import Store
from services.delivery.store.retry_reader import RetryReader, after_key, pairs
from shared.contracts.ids import ConversationId, UserId
from shared.contracts.retries import RetrySettings
from shared.database.engine import is_sqlite

T = TypeVar("T")


class Woken(NamedTuple):
    """What came of wake-ups: attempts to be told of, schedules to be made, how many were closed, and how late."""

    tried: list[Tried]
    schedules: list[Wake]
    closed: int
    lags_ms: list[int]


class RetryStore(RetryReader):
    """Entries of `retry`, beside the batches of the log, whose writer it shares on SQLite."""

    def __init__(self, store: Store, url: str) -> None:
        super().__init__(url)
        self._store = store if is_sqlite(url) else None

    async def open(self, keys: Iterable[Key], now_ms: int) -> list[Wake]:
        """Open entries, due now, for those who still lack something; a parked one counts for what it was parked with.

        Raises:
            One of STORE_ERRORS.
        """
        wanted = pairs(keys)
        parked: list[Key] = []

        def write(tx: sa.Connection) -> list[Wake]:
            new = []
            for user_id, conversation_id, username, undelivered_seq, state, up_to_seq in tx.execute(
                self._sql.find_undelivered, {"keys": wanted}
            ):
                if undelivered_seq is None:
                    continue
                if state is None:
                    new.append((Key(user_id, conversation_id), username, undelivered_seq))
                elif state == "failed" and up_to_seq < undelivered_seq:
                    parked.append(Key(user_id, conversation_id))
            if new:
                tx.execute(self._sql.insert_entry, [_opened(*entry, now_ms) for entry in new])
            return [Wake(key, 0, now_ms) for key, _, _ in new]

        opened = await self._write(write)
        return opened + (await self.redrive(parked, now_ms) if parked else [])

    async def wake(
        self, wakes: Mapping[Key, Wake], now_ms: int, chance: Callable[[], float], settings: RetrySettings
    ) -> Woken:
        """Carry out what is decided about entries that were woken; what is no more, or in other hands, is left out.

        Raises:
            One of STORE_ERRORS.
        """
        wanted = pairs(wakes)

        def write(tx: sa.Connection) -> Woken:
            found = [
                Entry(Key(UserId(row[0]), ConversationId(row[1])), *row[2:-1])
                for row in tx.execute(self._sql.find_woken, {"keys": wanted})
                if row[-1] == "waiting"
            ]
            woken = Woken([], [], 0, [])
            gone: list[Entry] = []
            moved: list[dict[str, Any]] = []
            for entry, step in retry.decide_all(found, wakes, now_ms, chance, settings):
                if isinstance(step, Await):
                    woken.schedules.append(Wake(entry.key, entry.attempt, entry.next_at_ms))
                    continue
                woken.lags_ms.append(max(0, now_ms - entry.next_at_ms))
                if isinstance(step, Close):
                    gone.append(entry)
                    continue
                woken.tried.append(retry.tried(entry, step, now_ms))
                moved.append(_moved(entry, step, now_ms))
                if isinstance(step, RetryAt):
                    woken.schedules.append(Wake(entry.key, step.attempt, step.next_at_ms))
            if gone:
                tx.execute(self._sql.delete_entry, [_named(entry.key) | {"was": entry.attempt} for entry in gone])
            if moved:  # nobody else can have moved them: they are locked, or the whole database is
                tx.execute(self._sql.move_entry, moved)
                tx.execute(self._sql.insert_attempt, [_attempt(tried) for tried in woken.tried])
            return woken._replace(closed=len(gone))

        return await self._write(write)

    async def redrive(self, keys: Iterable[Key], at_ms: int) -> list[Wake]:
        """Have entries wait for their first attempt again, at this time, whatever became of them before.

        Raises:
            One of STORE_ERRORS.
        """
        wanted = pairs(keys)

        def write(tx: sa.Connection) -> list[Wake]:
            found = [
                Key(UserId(row[0]), ConversationId(row[1])) for row in tx.execute(self._sql.lock, {"keys": wanted})
            ]
            if found:
                tx.execute(self._sql.redrive_entry, [_named(key) | {"at": at_ms} for key in found])
            return [Wake(key, 0, at_ms) for key in found]

        return await self._write(write)

    async def delete_attempts(self, before_ms: int, limit: int) -> int:
        """Delete some of the attempts that are older; returns how many.

        Raises:
            One of STORE_ERRORS.
        """

        def read(tx: sa.Connection) -> list[dict[str, Any]]:
            rows = tx.execute(self._sql.find_old_attempts, {"before": before_ms, "limit": limit})
            return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

        old = await self._read(read)
        if old:
            await self._write(lambda tx: tx.execute(self._sql.delete_attempt, old).close())
        return len(old)

    async def delete_gone(self, after: Key | None, limit: int) -> Key | None:
        """Delete the entries of former members among so many; returns where to go on, None at the end.

        Raises:
            One of STORE_ERRORS.
        """
        looked_at = await self._keys(self._sql.keys({}), **after_key(after), limit=limit)
        if looked_at:
            gone = await self._keys(self._sql.find_gone, keys=pairs(looked_at))
            if gone:
                await self._write(lambda tx: tx.execute(self._sql.delete_gone, [_named(key) for key in gone]).close())
        return looked_at[-1] if len(looked_at) == limit else None

    async def _write(self, work: Callable[[sa.Connection], T]) -> T:
        if self._store is None:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        return await self._store.in_transaction(work)  # one writer for a SQLite file, in one thread


def _named(key: Key) -> dict[str, Any]:
    return {"user_id": key.user_id, "conversation_id": key.conversation_id}


def _opened(key: Key, username: str, undelivered_seq: int, now_ms: int) -> dict[str, Any]:
    return _named(key) | {"username": username, "up_to_seq": undelivered_seq, "now": now_ms}


def _moved(entry: Entry, step: RetryAt | Park, now_ms: int) -> dict[str, Any]:
    is_parked = isinstance(step, Park)
    return _named(entry.key) | {
        "was": entry.attempt,
        "attempt": entry.attempt if isinstance(step, Park) else step.attempt,
        "next_at": now_ms if isinstance(step, Park) else step.next_at_ms,
        "state": "failed" if is_parked else "waiting",
        "reason": step.reason if isinstance(step, Park) else "",
        "up_to_seq": step.up_to_seq,
    }


def _attempt(tried: Tried) -> dict[str, Any]:
    return _named(tried.key) | {
        "up_to_seq": tried.up_to_seq,
        "at_ms": tried.at_ms,
        "after_seq": tried.after_seq,
        "attempt": tried.attempt,
        "outcome": tried.outcome,
    }
