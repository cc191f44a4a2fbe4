"""What is asked about entries of `retry`, each in a short snapshot of its own: nothing here keeps the log waiting."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

import sqlalchemy as sa

from services.delivery.domain.retry import Key, Tried, Wake
from services.delivery.store.retry_statements import RetryStatements
from shared.contracts.ids import ConversationId, MessageId, UserId, Username
from shared.contracts.retries import RetryEntry, RetryState
from shared.database.engine import KEY_LOOKUPS, is_sqlite, open_engine
from shared.database.pools import pool_in_use, pool_room

T = TypeVar("T")

FRAMES_UP_TO_MEMBERS: Final = 100
"""Nobody is told anything about groups with more members than this."""
LOOK_BACK: Final = 500
"""How many messages of a group are looked through for those who are told."""


class Told(NamedTuple):
    """Who is told of an attempt: of each sender its last message that the recipient lacks."""

    tried: Tried
    messages: list[tuple[UserId, MessageId]]


class RetryReader:
    """Answers questions about entries, over connections of its own."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, "reader", pool_size=2 if is_sqlite(url) else 4, planner=KEY_LOOKUPS)
        self._sql = RetryStatements("sqlite" if is_sqlite(url) else "postgresql")

    @property
    def room(self) -> int:
        """How many connections of its own there may be."""
        return pool_room(self._engine)

    @property
    def in_use(self) -> int:
        """How many of them are lent right now."""
        return pool_in_use(self._engine)

    async def close(self) -> None:
        """Close the connections that are not the batches'."""
        await self._engine.dispose()

    async def parked_of(self, user_ids: Iterable[UserId]) -> list[Key]:
        """Find what is parked for some users.

        Raises:
            One of STORE_ERRORS.
        """
        users = json.dumps(list(user_ids))

        def read(tx: sa.Connection) -> list[Key]:
            rows = tx.execute(self._sql.find_states, {"users": users})
            return [Key(UserId(row[0]), ConversationId(row[1])) for row in rows if row[2] == "failed"]

        return await self._read(read)

    async def lacking(self, sender_id: UserId, message_id: MessageId) -> list[Key] | None:
        """Find who lacks a message; None where that user did not send it.

        Raises:
            One of STORE_ERRORS.
        """

        def read(tx: sa.Connection) -> list[Key] | None:
            found = tx.execute(self._sql.find_message, {"message_id": message_id, "sender_id": sender_id}).first()
            if found is None:
                return None
            place = {"conversation_id": found.conversation_id, "seq": found.seq, "sender_id": sender_id}
            return [
                Key(UserId(row[0]), ConversationId(found.conversation_id))
                for row in tx.execute(self._sql.find_lacking, place)
            ]

        return await self._read(read)

    async def told_of(self, all_tried: Sequence[Tried]) -> list[Told]:
        """Find who is told of attempts; those in large groups are left out.

        Raises:
            One of STORE_ERRORS.
        """
        if not all_tried:
            return []

        def read(tx: sa.Connection) -> list[Told]:
            ids = json.dumps(sorted({tried.key.conversation_id for tried in all_tried}))
            sizes = {row[0]: (row[1], row[2]) for row in tx.execute(self._sql.find_sizes, {"ids": ids})}
            told = [
                Told(tried, [])
                for tried in all_tried
                if sizes.get(tried.key.conversation_id, ("", FRAMES_UP_TO_MEMBERS + 1))[1] <= FRAMES_UP_TO_MEMBERS
            ]
            spans = [
                (
                    number,
                    *one.tried.key,
                    _look_from(one.tried, sizes[one.tried.key.conversation_id][0]),
                    one.tried.up_to_seq,
                )
                for number, one in enumerate(told)
            ]
            for number, sender_id, message_id in tx.execute(self._sql.find_senders, {"spans": json.dumps(spans)}):
                told[number].messages.append((sender_id, message_id))
            return told

        return await self._read(read)

    async def page(
        self, state: RetryState | None, username: Username | None, after: Key | None, limit: int, max_attempts: int
    ) -> tuple[list[RetryEntry], int]:
        """Read entries in the order of their keys, behind one, and count all that match.

        Raises:
            One of STORE_ERRORS.
        """
        matching = {"state": state, "username": username}

        def read(tx: sa.Connection) -> tuple[list[RetryEntry], int]:
            place = after_key(after) | {"limit": limit}
            rows = tx.execute(self._sql.page(matching), _given(matching) | place)
            entries = [_listed(row, max_attempts) for row in rows]
            return entries, tx.execute(self._sql.count(matching), _given(matching)).scalar_one()

        return await self._read(read)

    async def matching(
        self,
        state: RetryState | None,
        username: Username | None,
        conversation_id: ConversationId | None,
        after: Key | None,
        limit: int,
    ) -> list[Key]:
        """Find entries in the order of their keys, behind one.

        Raises:
            One of STORE_ERRORS.
        """
        matching = {"state": state, "username": username, "conversation_id": conversation_id}
        return await self._keys(self._sql.keys(matching), **_given(matching), **after_key(after), limit=limit)

    async def counts(self) -> dict[str, int]:
        """Count the entries by state.

        Raises:
            One of STORE_ERRORS.
        """
        return await self._read(lambda tx: {row[0]: row[1] for row in tx.execute(self._sql.count_states)})

    async def undelivered(self, after: Key | None, before_ms: int, limit: int) -> tuple[list[Key], Key | None]:
        """Look at so many members, in the order of (conversation, user), for messages that were not tried at all.

        Returns those whose first such message was stored before `before_ms`, and where to go on, None at the end.

        Raises:
            One of STORE_ERRORS.
        """

        def read(tx: sa.Connection) -> tuple[list[Key], Key | None]:
            row = tx.execute(self._sql.step_member, after_key(after) | {"skip": limit - 1}).first()
            last = None if row is None else Key(UserId(row[0]), ConversationId(row[1]))
            statement = self._sql.find_untried if last is None else self._sql.find_untried_up_to
            bounds = {} if last is None else {"last_user": last.user_id, "last_conversation": last.conversation_id}
            found = tx.execute(statement, after_key(after) | bounds | {"before": before_ms})
            return [Key(UserId(row[0]), ConversationId(row[1])) for row in found], last

        return await self._read(read)

    async def overdue(self, after: Wake | None, before_ms: int, limit: int) -> list[Wake]:
        """Find waiting entries that were due before `before_ms`, in the order in which they were, behind one.

        Raises:
            One of STORE_ERRORS.
        """
        place = after_key(after.key if after else None) | {"since": after.next_at_ms if after else -1}

        def read(tx: sa.Connection) -> list[Wake]:
            rows = tx.execute(self._sql.find_overdue, place | {"before": before_ms, "limit": limit})
            return [Wake(Key(UserId(row[0]), ConversationId(row[1])), row[2], row[3]) for row in rows]

        return await self._read(read)

    async def _keys(self, statement: sa.TextClause, **parameters: Any) -> list[Key]:
        def read(tx: sa.Connection) -> list[Key]:
            return [Key(UserId(row[0]), ConversationId(row[1])) for row in tx.execute(statement, parameters)]

        return await self._read(read)

    async def _read(self, work: Callable[[sa.Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)


def after_key(key: Key | None) -> dict[str, Any]:
    """Name the key behind which a statement goes on."""
    return {
        "after_user": key.user_id if key else "",
        "after_conversation": key.conversation_id if key else "",
    }


def _given(matching: Mapping[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in matching.items() if value is not None}


def _look_from(tried: Tried, kind: str) -> int:
    """Tell behind which message senders are looked for: a pair has one, whose message the last one is."""
    return tried.up_to_seq - 1 if kind == "direct" else max(tried.after_seq, tried.up_to_seq - LOOK_BACK)


def _listed(row: Sequence[Any], max_attempts: int) -> RetryEntry:
    user_id, conversation_id, username, state, attempt, opened_at_ms, next_at_ms, reason, messages = row
    return RetryEntry(
        user_id,
        username,
        conversation_id,
        cast("RetryState", state),
        attempt,
        max_attempts,
        messages,
        opened_at_ms,
        next_at_ms,
        reason,
    )


def pairs(keys: Iterable[Key]) -> str:
    """Write keys for a statement, in the order in which everybody locks."""
    return json.dumps(sorted(keys))
