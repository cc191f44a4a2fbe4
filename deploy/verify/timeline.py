"""What a client holds over all its connections."""

from deploy.verify.cursors import Cursors
from deploy.verify.history import History, How, Presence, Receipt, Receive, Status, Typing, digest
from deploy.verify.receipts import Receipts
from deploy.verify.sending import Outgoing, Stored, stored_by_ack
from deploy.verify.wire import Frame


class Timeline:
    """What a client holds over all its connections: cursors, receipts, messages on their way."""

    def __init__(self, username: str, history: History, receipts: Receipts) -> None:
        self.username = username
        self.history = history
        self.receipts = receipts
        self.cursors = Cursors()
        self.epoch: str | None = None
        self.outgoing: dict[str, Outgoing] = {}
        self.to_sync: set[str] = set()
        self.watched: set[str] = set()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.to_sync and not self.cursors.holes()

    def take_message(self, frame: Frame, how: How, connection: int) -> None:
        """Hold a message; an own one with its id settles the send that waits for it."""
        own = frame["sender"] == self.username
        self.history.record(
            Receive(
                user=self.username,
                connection=connection,
                how=how,
                conversation_id=frame["conversation_id"],
                seq=frame["seq"],
                rev=frame["rev"],
                message_id=frame["message_id"],
                sender=frame["sender"],
                digest=digest(frame["content"]),
            )
        )
        self.receipts.hold(frame["conversation_id"], frame["seq"], own=own)
        outgoing = self.outgoing.get(frame.get("id", ""))
        if own and outgoing is not None:
            outgoing.settle(stored_by_ack(frame))

    def take_own(self, stored: Stored) -> None:
        """Hold an own message that was confirmed."""
        self.receipts.hold(stored.conversation_id, stored.seq, own=True)

    def take_receipt(self, frame: Frame, connection: int) -> None:
        """Note how far a member has got; one of our own confirms what we told."""
        self.history.record(
            Receipt(
                observer=self.username,
                conversation_id=frame["conversation_id"],
                user=frame["user"],
                state=frame["state"],
                up_to_seq=frame["up_to_seq"],
                connection=connection,
            )
        )
        if frame["user"] == self.username:
            self.receipts.confirm(frame["conversation_id"], frame["state"], frame["up_to_seq"])

    def take_status(self, frame: Frame) -> None:
        """Note what becomes of an own message."""
        self.history.record(
            Status(
                observer=self.username,
                message_id=frame["message_id"],
                conversation_id=frame["conversation_id"],
                status=frame["status"],
                user=frame.get("user"),
                up_to_seq=frame.get("up_to_seq"),
                retry_count=frame.get("retry_count"),
                max_retries=frame.get("max_retries"),
            )
        )

    def take_presence(self, frame: Frame, connection: int) -> None:
        """Note how a watched user is."""
        self.history.record(
            Presence(
                observer=self.username,
                connection=connection,
                user=frame["user"],
                status=frame["status"],
                last_seen=frame.get("last_seen"),
            )
        )

    def take_typing(self, frame: Frame, connection: int) -> None:
        """Note that somebody types, or has stopped."""
        self.history.record(
            Typing(
                observer=self.username,
                connection=connection,
                conversation_id=frame["conversation_id"],
                user=frame["user"],
                state=frame["state"],
                ttl_s=frame["ttl_ms"] / 1000,
            )
        )
