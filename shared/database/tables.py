"""Every table, with its owner: the only service that writes it. No foreign key crosses owners.

Times are Unix milliseconds (`*_ms`). A replay of the log must never fail for a row that another owner lost, so
delivery's tables name users by id and carry the username, which never changes.
"""

import sqlalchemy as sa

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
)
"""Users. Owner: gateway. `password_hash` is argon2id in PHC form; "" where there is no password."""

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
    sqlite_with_rowid=False,
)
"""Members with their cursors and when these last moved (0: never). Owner: delivery. `left_rev`: a former member."""

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
    sa.Index("ix_message_conversation_id_rev", "conversation_id", "rev", unique=True),
)
"""Messages. Owner: delivery. `message_id` is a function of (sender, client id): its uniqueness is idempotency.

`first_rev` is the revision that stored it, told again to whoever repeats the request; `rev` that of its last
change. `request` is the hash of the first request. `mentions` is a JSON list, NULL where there is none. On SQLite it
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
