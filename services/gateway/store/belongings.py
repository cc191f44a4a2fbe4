"""What belongs to a user alone: settings about conversations, and messages that were refused after all."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from shared.contracts.ids import ConversationId, MessageId, UserId, Username
from shared.database.tables import member_setting, refused_message

REMOVED_AT_ONCE: Final = 500


class MemberSettings(NamedTuple):
    """What a member keeps about a conversation; the draft is nobody else's business, not even a log's."""

    muted: bool
    pinned: bool
    archived: bool
    draft: str


class RefusedMessage(NamedTuple):
    """A message whose sender was told that it is queued, and that was refused then (`at_ms`, Unix).

    `to` is "" where it was not for one person, or not known for whom.
    """

    message_id: MessageId
    sender_id: UserId
    conversation_id: ConversationId
    to: Username
    code: str
    detail: str
    at_ms: int


class Belongings:
    """The tables `member_setting` and `refused_message`.

    Every method raises `Refusal` `unavailable` while the database can't be reached or does not answer in 5 s.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change_settings(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        now_ms: int,
        *,
        muted: bool | None = None,
        pinned: bool | None = None,
        archived: bool | None = None,
        draft: str | None = None,
    ) -> MemberSettings:
        """Change what is given and leave the rest as it is; returns all of it as it is then."""
        given = {"muted": muted, "pinned": pinned, "archived": archived, "draft": draft}
        changed = {name: value for name, value in given.items() if value is not None} | {"changed_at_ms": now_ms}
        row = {"conversation_id": conversation_id, "user_id": user_id, **changed}
        async with self._database.writing() as connection:
            upsert = _upsert(connection, member_setting, [row], list(changed))
            returned = await connection.execute(
                upsert.returning(*(member_setting.c[name] for name in MemberSettings._fields))
            )
            return MemberSettings(*returned.one())

    async def note_refused(self, messages: Sequence[RefusedMessage]) -> None:
        """Keep refused messages, at most one of each id; one that was refused before is replaced."""
        if messages:
            changed = [name for name in RefusedMessage._fields if name not in {"message_id", "sender_id"}]
            async with self._database.writing() as connection:
                rows = [message._asdict() for message in messages]
                await connection.execute(_upsert(connection, refused_message, rows, changed))

    async def refused(self, user_id: UserId, message_id: MessageId) -> RefusedMessage | None:
        """Find a refused message of a user."""
        which = refused_message.c.message_id == message_id, refused_message.c.sender_id == user_id
        row = await self._database.row(_REFUSED.where(*which))
        return None if row is None else RefusedMessage(*row)

    async def all_refused(self, user_id: UserId, since_ms: int, after: MessageId, limit: int) -> list[RefusedMessage]:
        """List refused messages of a user in the order of their ids, behind one: those refused since a time."""
        columns = refused_message.c
        question = (
            _REFUSED.where(columns.sender_id == user_id, columns.message_id > after, columns.at_ms >= since_ms)
            .order_by(columns.message_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [RefusedMessage(*row) for row in (await connection.execute(question)).all()]

    async def forget_refused(self, message_ids: Sequence[MessageId]) -> None:
        """Remove messages that were stored after all."""
        if message_ids:
            async with self._database.writing() as connection:
                await connection.execute(
                    sa.delete(refused_message).where(refused_message.c.message_id.in_(message_ids))
                )

    async def remove_refused_before(self, at_ms: int) -> int:
        """Remove what was refused before a time, some of it; returns how many were removed, 0 at the end."""
        some = sa.select(refused_message.c.message_id).where(refused_message.c.at_ms < at_ms).limit(REMOVED_AT_ONCE)
        async with self._database.writing() as connection:
            removed = await connection.execute(sa.delete(refused_message).where(refused_message.c.message_id.in_(some)))
            return removed.rowcount


_REFUSED = sa.select(*(refused_message.c[name] for name in RefusedMessage._fields))


def _upsert(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]], changed: Sequence[str]
) -> sqlite.Insert | postgresql.Insert:
    """Insert rows; where there is one already, only what `changed` names is written."""
    insert = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    insert = insert.values(list(rows))
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={name: insert.excluded[name] for name in changed}
    )
