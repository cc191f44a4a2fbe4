# ruff: noqa: S608 - statements are put together from the names of our own tables and columns alone
"""The text of the statements about entries of `retry`, for both databases; lists travel as one JSON parameter."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

_UNDELIVERED: Final = (
    "(SELECT x.seq FROM message AS x WHERE x.conversation_id = m.conversation_id AND x.seq > m.delivered_seq"
    " AND x.sender_id <> m.user_id ORDER BY x.seq DESC LIMIT 1)"
)
"""The last message that a member lacks and did not send itself."""

_UNTRIED_SINCE: Final = (
    "(SELECT coalesce(x.stored_at_ms, x.sent_at_ms) FROM message AS x WHERE x.conversation_id = m.conversation_id"
    " AND x.seq > CASE WHEN r.up_to_seq > m.delivered_seq THEN r.up_to_seq ELSE m.delivered_seq END"
    " AND x.sender_id <> m.user_id ORDER BY x.seq LIMIT 1)"
)
"""When the first message was stored that a member lacks, did not send itself, and that no entry was opened for."""

_PRESENT: Final = "m.conversation_id = {0}.conversation_id AND m.user_id = {0}.user_id AND m.left_rev IS NULL"
_SAME: Final = "r.user_id = {0}.user_id AND r.conversation_id = {0}.conversation_id"
_BEHIND: Final = "(r.user_id, r.conversation_id) > (:after_user, :after_conversation)"
_OF_KEY: Final = "user_id = :user_id AND conversation_id = :conversation_id"


class RetryStatements:
    """Statements that are prepared once: their text never changes, but for the few ways to choose entries.

    Look-ups by key name no state: a plan made while the table was small could take the index on it, and would then read
    all entries in that state.
    """

    def __init__(self, database: str) -> None:
        is_sqlite = database == "sqlite"
        each = "json_each(:{})" if is_sqlite else "json_array_elements(CAST(:{} AS json))"
        text = "j.value" if is_sqlite else "(j.value #>> '{}')"
        join = "CROSS JOIN" if is_sqlite else "JOIN"  # SQLite keeps the order of a CROSS JOIN: by key
        lock = "" if is_sqlite else " FOR UPDATE OF r SKIP LOCKED"
        keys = (
            f"(SELECT j.value ->> 0 AS user_id, j.value ->> 1 AS conversation_id FROM {each.format('keys')} AS j) AS k"
        )
        spans = (
            "(SELECT CAST(j.value ->> 0 AS BIGINT) AS n, j.value ->> 1 AS user_id, j.value ->> 2 AS conversation_id,"
            " CAST(j.value ->> 3 AS BIGINT) AS low, CAST(j.value ->> 4 AS BIGINT) AS high"
            f" FROM {each.format('spans')} AS j) AS k"
        )
        self.find_undelivered = sa.text(
            f"SELECT m.user_id, m.conversation_id, m.username, {_UNDELIVERED}, r.state, r.up_to_seq"
            f" FROM {keys} {join} member AS m ON {_PRESENT.format('k')} LEFT JOIN retry AS r ON {_SAME.format('m')}"
        )
        self.find_woken = sa.text(
            f"SELECT r.user_id, r.conversation_id, r.username, r.attempt, r.up_to_seq, r.next_at_ms, m.delivered_seq,"
            f" {_UNDELIVERED}, r.state FROM {keys} {join} retry AS r ON {_SAME.format('k')}"
            f" LEFT JOIN member AS m ON {_PRESENT.format('r')}{lock}"
        )
        self.lock = sa.text(
            f"SELECT r.user_id, r.conversation_id FROM {keys} {join} retry AS r ON {_SAME.format('k')}{lock}"
        )
        self.find_states = sa.text(
            "SELECT r.user_id, r.conversation_id, r.state"
            f" FROM (SELECT {text} AS user_id FROM {each.format('users')} AS j) AS k"
            f" {join} retry AS r ON r.user_id = k.user_id"
        )
        self.find_gone = sa.text(
            f"SELECT k.user_id, k.conversation_id FROM {keys} LEFT JOIN member AS m ON {_PRESENT.format('k')}"
            " WHERE m.user_id IS NULL"
        )
        self.find_sizes = sa.text(
            "SELECT c.id, c.kind, CASE WHEN c.kind = 'direct' THEN 2 ELSE (SELECT count(*) FROM member AS m"
            " WHERE m.conversation_id = c.id AND m.left_rev IS NULL) END"
            f" FROM (SELECT {text} AS id FROM {each.format('ids')} AS j) AS k"
            f" {join} conversation AS c ON c.id = k.id"
        )
        last = (
            "SELECT k.n AS n, k.conversation_id AS conversation_id, x.sender_id AS sender_id, max(x.seq) AS seq"
            f" FROM {spans} {join} message AS x ON x.conversation_id = k.conversation_id"
            " AND x.seq > k.low AND x.seq <= k.high AND x.sender_id <> k.user_id"
            " GROUP BY k.n, k.conversation_id, x.sender_id"
        )
        self.find_senders = sa.text(
            f"SELECT s.n, s.sender_id, x.message_id FROM ({last}) AS s"
            f" {join} message AS x ON x.conversation_id = s.conversation_id AND x.seq = s.seq"
            f" {join} member AS m ON m.conversation_id = s.conversation_id AND m.user_id = s.sender_id"
            " AND m.left_rev IS NULL"
        )
        self.insert_entry = sa.text(
            "INSERT INTO retry (user_id, conversation_id, username, state, attempt, up_to_seq, opened_at_ms,"
            " next_at_ms, reason) VALUES (:user_id, :conversation_id, :username, 'waiting', 0, :up_to_seq, :now, :now,"
            " '') ON CONFLICT DO NOTHING"
        )
        self.move_entry = sa.text(
            "UPDATE retry SET state = :state, attempt = :attempt, up_to_seq = :up_to_seq, next_at_ms = :next_at,"
            f" reason = :reason WHERE {_OF_KEY} AND attempt = :was"
        )
        self.redrive_entry = sa.text(
            f"UPDATE retry SET state = 'waiting', attempt = 0, next_at_ms = :at, reason = '' WHERE {_OF_KEY}"
        )
        self.delete_entry = sa.text(f"DELETE FROM retry WHERE {_OF_KEY} AND attempt = :was")
        self.delete_gone = sa.text(f"DELETE FROM retry WHERE {_OF_KEY}")
        self.insert_attempt = sa.text(
            "INSERT INTO retry_attempt (conversation_id, user_id, up_to_seq, at_ms, after_seq, attempt, outcome)"
            " VALUES (:conversation_id, :user_id, :up_to_seq, :at_ms, :after_seq, :attempt, :outcome)"
            " ON CONFLICT DO NOTHING"
        )
        self.find_message = sa.text(
            "SELECT conversation_id, seq FROM message WHERE message_id = :message_id AND sender_id = :sender_id"
        )
        self.find_lacking = sa.text(
            "SELECT user_id FROM member WHERE conversation_id = :conversation_id AND left_rev IS NULL"
            " AND delivered_seq < :seq AND user_id <> :sender_id"
        )
        self.count_states = sa.text("SELECT state, count(*) FROM retry GROUP BY state")
        self.step_member = sa.text(
            "SELECT user_id, conversation_id FROM member"
            " WHERE (conversation_id, user_id) > (:after_conversation, :after_user)"
            " ORDER BY conversation_id, user_id LIMIT 1 OFFSET :skip"
        )
        untried = (
            "SELECT m.user_id, m.conversation_id FROM member AS m"
            f" {join} conversation AS c ON c.id = m.conversation_id LEFT JOIN retry AS r ON {_SAME.format('m')}"
            " WHERE (m.conversation_id, m.user_id) > (:after_conversation, :after_user){}"
            " AND m.left_rev IS NULL AND CASE WHEN m.delivered_seq < c.last_seq"  # a CASE keeps its order
            " AND (r.user_id IS NULL OR (r.state = 'failed' AND r.up_to_seq < c.last_seq))"
            f" THEN {_UNTRIED_SINCE} END <= :before"
        )
        self.find_untried = sa.text(untried.format(""))
        self.find_untried_up_to = sa.text(
            untried.format(" AND (m.conversation_id, m.user_id) <= (:last_conversation, :last_user)")
        )
        self.find_overdue = sa.text(
            "SELECT r.user_id, r.conversation_id, r.attempt, r.next_at_ms FROM retry AS r WHERE r.state = 'waiting'"
            " AND r.next_at_ms < :before AND r.next_at_ms >= :since"
            f" AND (r.next_at_ms > :since OR {_BEHIND})"
            " ORDER BY r.next_at_ms, r.user_id, r.conversation_id LIMIT :limit"
        )
        self.find_old_attempts = sa.text(
            "SELECT conversation_id, user_id, up_to_seq, at_ms FROM retry_attempt WHERE at_ms < :before"
            " ORDER BY at_ms LIMIT :limit"
        )
        self.delete_attempt = sa.text(
            "DELETE FROM retry_attempt WHERE conversation_id = :conversation_id AND user_id = :user_id"
            " AND up_to_seq = :up_to_seq AND at_ms = :at_ms"
        )

    def keys(self, matching: Mapping[str, str | None]) -> sa.TextClause:
        """Choose entries by what is given of `matching`, in the order of their keys, behind one."""
        return sa.text(
            f"SELECT r.user_id, r.conversation_id FROM retry AS r WHERE {_BEHIND}{_where(matching)}"
            " ORDER BY r.user_id, r.conversation_id LIMIT :limit"
        )

    def page(self, matching: Mapping[str, str | None]) -> sa.TextClause:
        """Choose entries likewise, with how many messages are in each."""
        return sa.text(
            "SELECT r.user_id, r.conversation_id, r.username, r.state, r.attempt, r.opened_at_ms, r.next_at_ms,"
            " r.reason, coalesce(c.last_seq - m.delivered_seq, 0) FROM retry AS r"
            f" LEFT JOIN member AS m ON {_PRESENT.format('r')} LEFT JOIN conversation AS c ON c.id = r.conversation_id"
            f" WHERE {_BEHIND}{_where(matching)} ORDER BY r.user_id, r.conversation_id LIMIT :limit"
        )

    def count(self, matching: Mapping[str, str | None]) -> sa.TextClause:
        """Count the entries that match."""
        return sa.text(f"SELECT count(*) FROM retry AS r WHERE 1 = 1{_where(matching)}")


def _where(matching: Mapping[str, str | None]) -> str:
    return "".join(f" AND r.{name} = :{name}" for name, value in matching.items() if value is not None)
