"""Messages over sockets: accepted, stored, answered, received, on the real parts."""

import pytest

from tests.support.nats import NatsServer
from tests.support.sockets import Path, ask, message, whole_path


async def test_a_message_is_acked_to_its_sender_and_received_by_the_other(sqlite_url: str, nats_url: str) -> None:
    async with whole_path(sqlite_url, nats_url) as path:
        ann, ben = await path.token_of("ann"), await path.token_of("ben")
        async with path.socket(ann) as a, path.socket(ben) as b:
            sent = message("ben", "hi")
            ack = await ask(a, sent, "ack")
            received = await b.expect("message")
    assert (ack["seq"], ack["rev"], ack["status"], ack["duplicate"]) == (1, 1, "sent", False)
    assert received["message_id"] == ack["message_id"]
    assert (received["sender"], received["content"], received["seq"]) == ("ann", "hi", 1)
    assert "id" not in received
