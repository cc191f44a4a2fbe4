# ruff: noqa: S608 - statements are put together from the names of our own tables and columns alone
"""The text of the statements that every batch of the log runs, for both databases."""

from collections.abc import Iterable

import sqlalchemy as sa

from shared.database import tables


class Statements:
    """The statements of the hot path in a database's own words; lists travel as one JSON parameter.

    Their text never changes, so that both drivers keep them prepared.
    """

    def __init__(self, database: str) -> None:
        each = "json_each({})" if database == "sqlite" else "json_array_elements(CAST({} AS json))"
        text = "{}.value" if database == "sqlite" else "({}.value #>> '{{}}')"
        keys = f"(SELECT {text.format('k')} AS key FROM {each.format(self._mark(database, 1))} AS k) AS k"
        numbers = ", ".join(f"CAST(m.value ->> {i} AS BIGINT) AS n{i}" for i in range(4))
        moves = f"(SELECT {numbers} FROM {each.format(self._mark(database, 1))} AS m) AS m"
        reached = f"SELECT m.value FROM {each.format(self._mark(database, 1))} AS m"
        self.advance = (
            f"UPDATE log_position SET stream_seq = m.n2, announced_seq = m.n3 FROM {moves}"
            f" WHERE partition = m.n0 AND stream_seq = m.n1 AND log_id = {self._mark(database, 2)}"
        )
        self.find_messages = self._select(tables.message, keys, "message_id")
        self.find_conversations = self._select(tables.conversation, keys, "id")
        self.find_members = self._select(tables.member, keys, "conversation_id")
        self.find_operations = self._select(tables.operation, keys, "id")
        self.find_blockers = (
            f"SELECT t.conversation_id, t.blocker_id FROM {keys} JOIN block AS t ON t.conversation_id = k.key"
        )
        self.close_retries = self._close_retries(database, reached)
        self.insert_operations = self._insert(database, tables.operation)
        self.insert_messages = self._insert(database, tables.message)
        self.insert_receipts = self._insert(database, tables.receipt) + " ON CONFLICT DO NOTHING"
        self.upsert_conversations = self._upsert(database, tables.conversation, ("id",))
        self.upsert_members = self._upsert(database, tables.member, ("conversation_id", "user_id"))

    @staticmethod
    def _mark(database: str, number: int) -> str:
        return "?" if database == "sqlite" else f"${number}"

    @staticmethod
    def _select(table: sa.Table, keys: str, column: str) -> str:
        columns = ", ".join(f"t.{c.name}" for c in table.columns)
        return f"SELECT {columns} FROM {keys} JOIN {table.name} AS t ON t.{column} = k.key"

    @staticmethod
    def _close_retries(database: str, reached: str) -> str:
        """Write the deletion of entries whose recipients' cursors, as (user, conversation, seq), have reached them."""
        if database == "sqlite":
            return (
                "DELETE FROM retry WHERE rowid IN (SELECT r.rowid FROM"
                f" ({reached}) AS m CROSS JOIN retry AS r ON r.user_id = m.value ->> 0"
                " AND r.conversation_id = m.value ->> 1 AND r.up_to_seq <= CAST(m.value ->> 2 AS BIGINT))"
            )
        return (
            f"DELETE FROM retry AS r USING ({reached}) AS m WHERE r.user_id = m.value ->> 0"
            " AND r.conversation_id = m.value ->> 1 AND r.up_to_seq <= CAST(m.value ->> 2 AS BIGINT)"
        )

    def _insert(self, database: str, table: sa.Table) -> str:
        names = ", ".join(c.name for c in table.columns)
        marks = ", ".join(self._mark(database, i + 1) for i in range(len(table.columns)))
        return f"INSERT INTO {table.name} ({names}) VALUES ({marks})"

    def _upsert(self, database: str, table: sa.Table, key: Iterable[str]) -> str:
        changed = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if c.name not in key)
        insert = self._insert(database, table)
        return f"{insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
