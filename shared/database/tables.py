"""Every table, with its owner: the only service that writes it. No foreign key crosses owners.

Times are Unix milliseconds (`*_ms`). A replay of the log must never fail for a row that another owner lost, so
delivery's tables name users by id and carry the username, which never changes.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# --- gateway -----------------------------------------------------------------------------------------------------

account = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("username", sa.Text, nullable=False, unique=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("disabled_at_ms", sa.BigInteger),
    sa.Column("read_receipts", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("typing", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("last_seen", sa.Boolean, nullable=False, server_default=sa.true()),
)
"""Users. Owner: gateway. `password_hash` is argon2id in PHC form; "" where there is no password.

The last three say what others may see: that a message was read, that one is typing, when one was last seen.
"""

account_word = sa.Table(
    "account_word",
    metadata,
    sa.Column("word", sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql"), primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)
"""What people are found by: the username and the words of the display name, casefolded. Owner: gateway.

Ordered by code points on both databases: a prefix is a range of the primary key.
"""

member_setting = sa.Table(
    "member_setting",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("muted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("archived", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("draft", sa.Text, nullable=False, server_default=""),
    sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What a member keeps about a conversation, for itself alone; no row: nothing. Owner: gateway."""

refused_message = sa.Table(
    "refused_message",
    metadata,
    sa.Column("message_id", sa.Text, primary_key=True),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("to", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Index("ix_refused_message_sender_id_message_id", "sender_id", "message_id"),
)
"""Messages that were told to be queued and were refused later; kept for 7 days. Owner: gateway."""

sign_in = sa.Table(
    "sign_in",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    sa.Column("last_used_at_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
)
"""Sessions and bearer tokens (`kind` "cookie" or "token"). Owner: gateway. Only a SHA-256 of the secret is kept."""

ticket = sa.Table(
    "ticket",
    metadata,
    sa.Column("secret_hash", sa.LargeBinary, primary_key=True),
    sa.Column("sign_in_id", sa.Text, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False, index=True),
)
"""Single-use tickets for the socket's handshake; deleted when used. Owner: gateway."""

# --- delivery ----------------------------------------------------------------------------------------------------

conversation = sa.Table(
    "conversation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("rev", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Conversations (`kind` "direct" or "group") with their last `seq` and `rev`. Owner: delivery."""

member = sa.Table(
    "member",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True, index=True),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("delivered_seq", sa.BigInteger, nullable=False),
    sa.Column("read_seq", sa.BigInteger, nullable=False),
    sa.Column("delivered_at_ms", sa.BigInteger, nullable=False),
    sa.Column("read_at_ms", sa.BigInteger, nullable=False),
    sa.Column("left_rev", sa.BigInteger),
    sa.Column("shown_read_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("shown_read_at_ms", sa.BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""Members with their cursors and when these last moved (0: never). Owner: delivery. `left_rev`: a former member.

`shown_read_seq` is the read cursor as others may see it: it stays where it is while a member reads without telling.
"""

message = sa.Table(
    "message",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("rev", sa.BigInteger, nullable=False),
    sa.Column("first_rev", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("sent_at_ms", sa.BigInteger, nullable=False),
    sa.Column("reply_to", sa.Text),
    sa.Column("mentions", sa.Text),
    sa.Column("stored_at_ms", sa.BigInteger),
    sa.Index("ix_message_conversation_id_rev", "conversation_id", "rev", unique=True),
)
"""Messages. Owner: delivery. `message_id` is a function of (sender, client id): its uniqueness is idempotency.

`first_rev` is the revision that stored it, told again to whoever repeats the request; `rev` that of its last
change. `request` is the hash of the first request. `mentions` is a JSON list, NULL where there is none. `stored_at_ms`
is delivery's clock at the commit (NULL: not noted); a replay writes another, nothing is decided by it. On SQLite it
keeps its rowid: rows are appended at one place, and the indexes stay small (a quarter less processor time a message).
"""

receipt = sa.Table(
    "receipt",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("up_to_seq", sa.BigInteger, primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""When a cursor passed which messages: a message has the time of the lowest row at or above it. Owner: delivery."""

operation = sa.Table(
    "operation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("rev", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
"""The first outcome of every command with an id that is no message, under the id that a message would have. Owner:
delivery. `rev`: the revision that it made, 0 for one that makes none."""

block = sa.Table(
    "block",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("blocker_id", sa.Text, primary_key=True, index=True),
    sa.Column("blocked_id", sa.Text, nullable=False),
    sa.Column("blocked", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Who blocks whom, by the pair's direct conversation, which need not exist. Owner: delivery. `blocked`: a username."""

retry = sa.Table(
    "retry",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("up_to_seq", sa.BigInteger, nullable=False),
    sa.Column("opened_at_ms", sa.BigInteger, nullable=False),
    sa.Column("next_at_ms", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_retry_state_next_at_ms", "state", "next_at_ms"),
)
"""Recipients whom messages have not reached: at most one row per recipient and conversation. Owner: delivery.

`state`: "waiting" for attempt number `attempt` + 1 at `next_at_ms`, or "failed": parked, with its `reason`.
`up_to_seq`: the last message it is for; a `delivered_seq` that reaches it deletes the row, and nothing else does.
"""

retry_attempt = sa.Table(
    "retry_attempt",
    metadata,
    sa.Column("conversation_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("up_to_seq", sa.BigInteger, primary_key=True),
    sa.Column("at_ms", sa.BigInteger, primary_key=True, index=True),
    sa.Column("after_seq", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What was tried to reach a recipient: for the messages above `after_seq` up to `up_to_seq`. Owner: delivery.

`outcome`: "retrying" for an attempt, "failed" when the entry was parked. Kept for 30 days.
"""

log_position = sa.Table(
    "log_position",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("log_id", sa.Text, nullable=False),
    sa.Column("stream_seq", sa.BigInteger, nullable=False),
    sa.Column("announced_seq", sa.BigInteger, nullable=False),
)
"""How far each partition of the log is applied, and announced. Owner: delivery; moved by compare-and-swap only."""

epoch = sa.Table(
    "epoch",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Text, nullable=False),
)
"""One row (id 1): names this history to clients; another value makes them drop their caches. Owner: delivery."""
