"""A page of a conversation, asked over a real broker, from both databases."""

import pytest

from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, MessageId
from tests.support.history import (
    ANN,
    BEN,
    CAT,
    DAN,
    DIRECT,
    GROUP,
    NOON,
    Asker,
    member_row,
    message_row,
    receipt_row,
    store_conversation,
)


async def two_people_talked(url: str, count: int = 10, content: str = "hi") -> None:
    """ann and ben wrote in turns; ben has 6 and read 4."""
    await store_conversation(
        url,
        DIRECT,
        [member_row(DIRECT, ANN, count, count), member_row(DIRECT, BEN, 6, 4)],
        [message_row(DIRECT, seq, (ANN, BEN)[(seq - 1) % 2], content) for seq in range(1, count + 1)],
        [
            receipt_row(DIRECT, BEN, "delivered", 2, 30),
            receipt_row(DIRECT, BEN, "delivered", 6, 40),
            receipt_row(DIRECT, BEN, "read", 4, 35),
            receipt_row(DIRECT, ANN, "read", count, 50),
        ],
    )


async def test_a_page_holds_the_newest_messages_oldest_first(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url)
    page = await history.page(ANN, DIRECT, limit=3)
    assert [message["seq"] for message in page.messages] == [8, 9, 10]
    assert (page.oldest_seq, page.newest_seq, page.has_older, page.has_newer) == (8, 10, True, False)
    assert page.messages[0] == {
        "message_id": message_row(DIRECT, 8, BEN)["message_id"],
        "conversation_id": DIRECT,
        "seq": 8,
        "rev": 8,
        "sender": "ben",
        "content": "hi",
        "content_type": "text/plain",
        "sent_at": "2025-11-22T12:00:08.000Z",
        "status": "read",
        "delivered_at": "2025-11-22T12:00:50.000Z",
        "read_at": "2025-11-22T12:00:50.000Z",
    }


async def test_only_the_sender_finds_the_id_of_a_message(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url)
    page = await history.page(BEN, DIRECT)
    assert [message.get("id") for message in page.messages[:2]] == [None, f"{DIRECT}-2"]


async def test_a_page_can_be_asked_from_every_place(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url)
    fifth = MessageId(message_row(DIRECT, 5, ANN)["message_id"])
    for place, seqs, has_older, has_newer in (
        ({"before_seq": 4}, [1, 2, 3], False, True),
        ({"before_seq": 5}, [2, 3, 4], True, True),
        ({"before_seq": 1}, [], False, True),
        ({"after_seq": 8}, [9, 10], True, False),
        ({"after_seq": 7}, [8, 9, 10], True, False),
        ({"after_seq": 0}, [1, 2, 3], False, True),
        ({"after_seq": 10}, [], True, False),
        ({"before_id": fifth}, [2, 3, 4], True, True),
        ({"around": fifth}, [4, 5, 6], True, True),
        ({"around_seq": 5}, [4, 5, 6], True, True),
        ({"at_ms": NOON}, [1, 2, 3], False, True),
        ({"at_ms": NOON + 6_500}, [7, 8, 9], True, True),
        ({"at_ms": NOON + 60_000}, [], True, False),
    ):
        page = await history.page(ANN, DIRECT, limit=3, **place)
        assert [message["seq"] for message in page.messages] == seqs, place
        assert (page.has_older, page.has_newer) == (has_older, has_newer), place


async def test_status_and_its_times_follow_the_recipients_receipts(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url)
    own = {message["seq"]: message for message in (await history.page(ANN, DIRECT)).messages}
    told = [(own[seq]["status"], own[seq]["delivered_at"], own[seq]["read_at"]) for seq in (1, 3, 5, 7)]
    assert told == [
        ("read", "2025-11-22T12:00:30.000Z", "2025-11-22T12:00:35.000Z"),
        ("read", "2025-11-22T12:00:35.000Z", "2025-11-22T12:00:35.000Z"),
        ("delivered", "2025-11-22T12:00:40.000Z", None),
        ("sent", None, None),
    ]


async def test_a_cut_page_leaves_out_none_of_the_times(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url)
    page = await history.page(ANN, DIRECT, limit=1, before_seq=2)
    assert page.messages[0]["read_at"] == "2025-11-22T12:00:35.000Z"


async def test_a_group_tells_how_many_of_the_others_have_a_message(history: Asker, migrated_url: str) -> None:
    await store_conversation(
        migrated_url,
        GROUP,
        [
            member_row(GROUP, ANN, 3, 0),
            member_row(GROUP, BEN, 3, 2),
            member_row(GROUP, CAT, 2, 1),
            member_row(GROUP, DAN, 0, 0, left_rev=4),
        ],
        [message_row(GROUP, seq, ANN) for seq in (1, 2, 3)],
        [
            receipt_row(GROUP, BEN, "delivered", 3, 10),
            receipt_row(GROUP, BEN, "read", 2, 30),
            receipt_row(GROUP, CAT, "delivered", 2, 20),
            receipt_row(GROUP, CAT, "read", 1, 25),
        ],
        kind="group",
        rev=4,
    )
    page = await history.page(ANN, GROUP)
    told = [
        (m["status"], m["delivered_to"], m["read_by"], m["delivered_at"] and m["delivered_at"][17:19], m["read_at"])
        for m in page.messages
    ]
    assert told == [
        ("read", 2, 2, "20", "2025-11-22T12:00:30.000Z"),
        ("delivered", 2, 1, "20", None),
        ("sent", 1, 0, None, None),
    ]
    assert [(member.username, member.left) for member in page.members][-1] == ("dan", True)


async def test_the_first_unread_message_is_one_of_somebody_else(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url)
    assert (await history.page(BEN, DIRECT)).first_unread_seq == 5
    assert (await history.page(ANN, DIRECT)).first_unread_seq is None


@pytest.mark.parametrize("character", ["x", "é", "\n"])
async def test_a_page_ends_early_at_256_kib_and_keeps_what_is_near_its_place(
    history: Asker, migrated_url: str, character: str
) -> None:
    await two_people_talked(migrated_url, count=60, content=character * 8000)
    page_bytes = 256 * 1024
    fit = page_bytes // (8000 * (1 if character == "x" else 2) + 2)
    newest = await history.page(ANN, DIRECT, limit=60)
    assert (newest.newest_seq, len(newest.messages), newest.has_older) == (60, fit, True)
    after = await history.page(ANN, DIRECT, limit=60, after_seq=0)
    assert (after.oldest_seq, len(after.messages), after.has_newer) == (1, fit, True)
    middle = MessageId(message_row(DIRECT, 30, BEN)["message_id"])
    around = await history.page(ANN, DIRECT, limit=60, around=middle)
    assert len(around.messages) == fit
    assert around.oldest_seq is not None
    assert around.newest_seq is not None
    assert abs((30 - around.oldest_seq) - (around.newest_seq - 30)) <= 1
    assert around.has_older
    assert around.has_newer


async def test_a_message_larger_than_a_page_comes_alone(history: Asker, migrated_url: str) -> None:
    await two_people_talked(migrated_url, count=3, content="x" * 300_000)
    page = await history.page(ANN, DIRECT)
    assert [message["seq"] for message in page.messages] == [3]


async def test_a_conversation_that_does_not_exist_is_an_empty_page(history: Asker) -> None:
    page = await history.page(ANN, DIRECT)
    assert (page.messages, page.members, page.has_older, page.has_newer) == ([], [], False, False)


async def test_strangers_former_members_and_wrong_questions_are_refused(history: Asker, migrated_url: str) -> None:
    await store_conversation(
        migrated_url,
        GROUP,
        [member_row(GROUP, ANN), member_row(GROUP, DAN, left_rev=1)],
        [message_row(GROUP, 1, ANN)],
        kind="group",
    )
    unknown = MessageId("m-unknown")
    for user, conversation, place, code in (
        (CAT, GROUP, {}, Code.NOT_FOUND),
        (DAN, GROUP, {}, Code.NOT_MEMBER),
        (ANN, GROUP, {"before_id": unknown}, Code.NOT_FOUND),
        (ANN, GROUP, {"around": unknown}, Code.NOT_FOUND),
        (ANN, ConversationId("none"), {"around": unknown}, Code.NOT_FOUND),
        (ANN, GROUP, {"limit": 0}, Code.INVALID),
        (ANN, GROUP, {"limit": 201}, Code.INVALID),
        (ANN, GROUP, {"before_seq": 1, "after_seq": 1}, Code.INVALID),
        (ANN, GROUP, {"before_seq": 2**63}, Code.INVALID),
        (ANN, GROUP, {"before_seq": -1}, Code.INVALID),
    ):
        with pytest.raises(Refusal) as refused:
            await history.page(user, conversation, **place)
        assert refused.value.code == code, place
