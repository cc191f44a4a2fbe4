"""The way of a message, and who has and has read it, asked over a real broker, from both databases."""

from typing import Any

import pytest

from services.history.domain import waiting
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import MessageId, Username
from shared.contracts.queries import Attempt, MessageReceipt, Way
from shared.database import tables
from tests.support.history import (
    ANN,
    BEN,
    CAT,
    DAN,
    DIRECT,
    GROUP,
    NOON,
    Asker,
    insert,
    member_row,
    message_row,
    receipt_row,
    store_conversation,
)
from tests.support.rows import attempt_row, retry_row


def id_of(seq: int, conversation: Any = GROUP) -> MessageId:
    return MessageId(message_row(conversation, seq, ANN)["message_id"])


def after_noon(second: int) -> int:
    return NOON + second * 1000


async def ann_wrote_to_a_group(url: str) -> None:
    """Of 4 messages ben has read 2 and told of one, cat has 2, dan left."""
    await store_conversation(
        url,
        GROUP,
        [
            member_row(GROUP, ANN, 4),
            member_row(GROUP, CAT, 2),
            member_row(GROUP, BEN, 3, 2, shown=1),
            member_row(GROUP, DAN, left_rev=5),
        ],
        [message_row(GROUP, seq, ANN, stored_at_ms=after_noon(seq) + 40 if seq > 1 else None) for seq in range(1, 5)],
        [
            receipt_row(GROUP, BEN, "read", 1, 30),
            receipt_row(GROUP, BEN, "delivered", 3, 35),
            receipt_row(GROUP, CAT, "delivered", 2, 40),
        ],
        kind="group",
    )


async def test_receipts_tell_of_each_other_member_what_it_shows(history: Asker, migrated_url: str) -> None:
    await ann_wrote_to_a_group(migrated_url)
    ben, cat = Username("ben"), Username("cat")
    expected: dict[int, list[tuple[Username, int | None, int | None, bool, bool]]] = {
        1: [(ben, after_noon(30), after_noon(30), True, True), (cat, after_noon(40), None, True, False)],
        2: [(ben, after_noon(35), None, True, False), (cat, after_noon(40), None, True, False)],
        3: [(ben, after_noon(35), None, True, False), (cat, None, None, False, False)],
        4: [(ben, None, None, False, False), (cat, None, None, False, False)],
    }
    for seq, told in expected.items():
        for asker in (ANN, CAT):
            found = await history.receipts(asker, id_of(seq))
            assert (found.message_id, found.conversation_id, found.seq) == (id_of(seq), GROUP, seq)
            assert found.receipts == [MessageReceipt(*one) for one in told]


async def test_receipts_whose_times_are_not_known_tell_that_there_are_any(history: Asker, migrated_url: str) -> None:
    members = [member_row(DIRECT, ANN, 1), member_row(DIRECT, BEN, 1, 1)]
    await store_conversation(migrated_url, DIRECT, members, [message_row(DIRECT, 1, ANN)])
    (told,) = (await history.receipts(ANN, id_of(1, DIRECT))).receipts
    assert (told.is_delivered, told.is_read, told.delivered_at_ms, told.read_at_ms) == (True, True, None, None)


async def test_a_timeline_tells_times_and_where_each_recipient_is(history: Asker, migrated_url: str) -> None:
    await ann_wrote_to_a_group(migrated_url)
    await insert(migrated_url, tables.retry, [retry_row(GROUP, CAT, 3, 1)])
    await insert(migrated_url, tables.retry_attempt, [attempt_row(GROUP, CAT, 2, 3, 1, 20)])
    third = await history.timeline(ANN, id_of(3))
    assert (third.message_id, third.conversation_id, third.seq) == (id_of(3), GROUP, 3)
    assert (third.sent_at_ms, third.stored_at_ms) == (after_noon(3), after_noon(3) + 40)
    assert third.recipients == [
        Way("ben", "delivered", [], None, "", after_noon(35), None),  # type: ignore[arg-type]  # a username
        Way("cat", "retrying", [Attempt(after_noon(20), 1, "retrying")], after_noon(60), "", None, None),  # type: ignore[arg-type]
    ]
    first = await history.timeline(ANN, id_of(1))
    assert first.stored_at_ms is None
    assert [(way.status, way.read_at_ms) for way in first.recipients] == [("read", after_noon(30)), ("delivered", None)]
    fourth = await history.timeline(ANN, id_of(4))
    assert [(way.status, way.next_retry_at_ms) for way in fourth.recipients] == [("sent", None)] * 2


async def test_a_timeline_tells_the_attempts_for_this_message_alone(history: Asker, migrated_url: str) -> None:
    members = [member_row(DIRECT, ANN, 4), member_row(DIRECT, BEN, 2)]
    await store_conversation(migrated_url, DIRECT, members, [message_row(DIRECT, seq, ANN) for seq in range(1, 5)])
    await insert(migrated_url, tables.retry, [retry_row(DIRECT, BEN, 3, 2, state="failed", reason="no device")])
    await insert(
        migrated_url,
        tables.retry_attempt,
        [
            attempt_row(DIRECT, BEN, 0, 2, 1, 10),
            attempt_row(DIRECT, BEN, 2, 3, 1, 20),
            attempt_row(DIRECT, BEN, 2, 3, 2, 30),
            attempt_row(DIRECT, BEN, 2, 3, 2, 40, "failed"),
            attempt_row(DIRECT, CAT, 0, 9, 1, 50),
        ],
    )
    for seq, status, reason, attempts in (
        (2, "delivered", "", [(10, 1, "retrying")]),
        (3, "failed", "no device", [(20, 1, "retrying"), (30, 2, "retrying"), (40, 2, "failed")]),
        (4, "sent", "", []),
    ):
        (way,) = (await history.timeline(ANN, id_of(seq, DIRECT))).recipients
        assert (way.status, way.reason, way.next_retry_at_ms) == (status, reason, None)
        assert [((one.at_ms - NOON) // 1000, one.attempt, one.outcome) for one in way.attempts] == attempts


async def test_of_very_many_attempts_the_last_are_told(
    history: Asker, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "ATTEMPTS", 6)
    await ann_wrote_to_a_group(migrated_url)
    rows = [
        attempt_row(GROUP, user, 0, up_to, n, 10 * up_to + n) for user in (BEN, CAT) for up_to in (4, 5) for n in (1, 2)
    ]
    await insert(migrated_url, tables.retry_attempt, rows)
    for way in (await history.timeline(ANN, id_of(4))).recipients:
        assert [(one.at_ms - NOON) // 1000 for one in way.attempts] == [42, 51, 52]


async def test_only_the_sender_is_told_the_way_and_only_members_are_told_of_receipts(
    history: Asker, migrated_url: str
) -> None:
    members = [member_row(GROUP, ANN), member_row(GROUP, BEN), member_row(GROUP, CAT, left_rev=2)]
    await store_conversation(migrated_url, GROUP, members, [message_row(GROUP, 1, ANN)], kind="group")
    unknown = MessageId("m-unknown")
    assert (await history.receipts(BEN, id_of(1))).receipts[0].username == "ben"
    details = set()
    for ask, user, message, code in (
        (history.timeline, BEN, id_of(1), Code.FORBIDDEN),
        (history.timeline, CAT, id_of(1), Code.NOT_MEMBER),
        (history.timeline, DAN, id_of(1), Code.NOT_FOUND),
        (history.timeline, ANN, unknown, Code.NOT_FOUND),
        (history.receipts, CAT, id_of(1), Code.NOT_MEMBER),
        (history.receipts, DAN, id_of(1), Code.NOT_FOUND),
        (history.receipts, ANN, unknown, Code.NOT_FOUND),
    ):
        with pytest.raises(Refusal) as refused:
            await ask(user, message)
        assert refused.value.code == code
        if code is Code.NOT_FOUND:
            details.add(refused.value.detail)
    assert len(details) == 1, "a stranger can tell a message from none"
