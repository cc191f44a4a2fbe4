"""What a device missed, by resume and sync, asked over a real broker, from both databases."""

import random
from typing import Any

import pytest

from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, MessageId, UserId, direct_conversation_id
from shared.contracts.queries import Missed
from shared.database import tables
from tests.support.history import (
    ANN,
    BEN,
    CAT,
    DAN,
    DIRECT,
    GROUP,
    Asker,
    Row,
    encoded,
    insert,
    member_row,
    message_row,
    store_conversation,
)


async def resume_all(
    history: Asker, user: UserId, cursors: dict[ConversationId, int], room: int = 2000
) -> dict[ConversationId, Missed[Any]]:
    """Ask on until the last part, as a gateway does."""
    missed: dict[ConversationId, Missed[Any]] = {}
    after = ConversationId("")
    while True:
        part = await history.resume(user, cursors, after=after, room=room)
        for conversation in part.conversations:
            assert conversation.conversation_id not in missed
            missed[conversation.conversation_id] = conversation
            room -= len(conversation.messages)
        assert len(encoded(part)) < 900_000
        if not part.next:
            return missed
        after = part.next


def seqs(conversation: Missed[Any]) -> list[int]:
    return [message["seq"] for message in conversation.messages]


async def a_conversation(
    url: str, seqs: int = 10, delivered: int = 0, *, conversation: ConversationId = DIRECT, content: str = "hi"
) -> None:
    """ben wrote to ann, who has some of it."""
    await store_conversation(
        url,
        conversation,
        [member_row(conversation, ANN, delivered), member_row(conversation, BEN, seqs)],
        [message_row(conversation, seq, BEN, content) for seq in range(1, seqs + 1)],
    )


async def test_a_device_with_a_cursor_gets_what_changed_since_in_the_order_of_change(
    history: Asker, migrated_url: str
) -> None:
    revs = {1: 1, 2: 7, 3: 3, 4: 4, 5: 5}  # the second was edited last
    await store_conversation(
        migrated_url,
        DIRECT,
        [member_row(DIRECT, ANN, 5, 4), member_row(DIRECT, BEN, 5)],
        [message_row(DIRECT, seq, BEN, rev=rev) for seq, rev in revs.items()],
    )
    missed = (await resume_all(history, ANN, {DIRECT: 3}))[DIRECT]
    assert (seqs(missed), missed.rev, missed.complete, missed.reset) == ([4, 5, 2], 7, True, False)
    assert missed.messages[0]["type"] == "message"
    assert [(frame["user"], frame["state"], frame["up_to_seq"]) for frame in missed.receipts] == [
        ("ann", "delivered", 5),
        ("ann", "read", 4),
        ("ben", "delivered", 5),
    ]
    assert missed.receipts[0]["at"] == "2025-11-22T12:00:10.000Z"


async def test_a_device_without_a_cursor_gets_what_was_never_delivered(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=10, delivered=7)
    missed = (await resume_all(history, ANN, {}))[DIRECT]
    assert (seqs(missed), missed.rev, missed.complete) == ([8, 9, 10], 10, True)


async def test_a_cursor_above_the_head_is_reset_and_all_is_replayed(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=3, delivered=3)
    missed = (await resume_all(history, ANN, {DIRECT: 4}))[DIRECT]
    assert (seqs(missed), missed.rev, missed.complete, missed.reset) == ([1, 2, 3], 3, True, True)


async def test_conversations_with_nothing_missed_are_named_with_their_head(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=3, delivered=3)
    for cursors in ({DIRECT: 3}, {}):
        missed = (await resume_all(history, ANN, cursors))[DIRECT]
        assert (missed.messages, missed.rev, missed.complete) == ([], 3, True)
        assert missed.receipts


async def test_own_conversations_alone_are_resumed(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url)
    await store_conversation(
        migrated_url, GROUP, [member_row(GROUP, CAT), member_row(GROUP, ANN, left_rev=1)], kind="group", rev=1
    )
    assert set(await resume_all(history, ANN, {})) == {DIRECT}
    assert set(await resume_all(history, CAT, {})) == {GROUP}
    assert await resume_all(history, DAN, {}) == {}


async def test_the_oldest_200_of_a_conversation_come_first(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=250)
    by_seq = (await resume_all(history, ANN, {}))[DIRECT]
    by_rev = (await resume_all(history, ANN, {DIRECT: 10}))[DIRECT]
    assert (seqs(by_seq), by_seq.rev, by_seq.complete) == (list(range(1, 201)), 200, False)
    assert (seqs(by_rev), by_rev.rev, by_rev.complete) == (list(range(11, 211)), 210, False)


async def test_a_conversation_alone_ends_early_at_256_kib(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=50, content="x" * 8000)
    missed = (await resume_all(history, ANN, {}))[DIRECT]
    assert (seqs(missed), missed.rev, missed.complete) == (list(range(1, 33)), 32, False)


async def test_without_a_cursor_the_rev_is_below_that_of_everything_left_out(history: Asker, migrated_url: str) -> None:
    revs = {seq: seq for seq in range(1, 231)} | {5: 231, 220: 232}  # an edit of what came, and one of what did not
    await store_conversation(
        migrated_url,
        DIRECT,
        [member_row(DIRECT, ANN), member_row(DIRECT, BEN)],
        [message_row(DIRECT, seq, BEN, rev=rev) for seq, rev in revs.items()],
    )
    missed = (await resume_all(history, ANN, {}))[DIRECT]
    left_out = {rev for seq, rev in revs.items() if seq not in seqs(missed)}
    assert (missed.complete, missed.rev < min(left_out)) == (False, True)


async def test_when_the_room_is_used_up_the_rest_is_named_without_messages(history: Asker, migrated_url: str) -> None:
    first, second, third, fourth = (ConversationId(f"c{number}") for number in range(4))
    for conversation in (first, second, third):
        await a_conversation(migrated_url, seqs=10, conversation=conversation)
    await a_conversation(migrated_url, seqs=10, delivered=10, conversation=fourth)
    missed = await resume_all(history, ANN, {third: 4}, room=13)
    assert (seqs(missed[first]), missed[first].complete, missed[first].rev) == (list(range(1, 11)), True, 10)
    assert (seqs(missed[second]), missed[second].complete, missed[second].rev) == ([1, 2, 3], False, 3)
    assert (seqs(missed[third]), missed[third].complete, missed[third].rev) == ([], False, 4)
    assert (seqs(missed[fourth]), missed[fourth].complete, missed[fourth].rev) == ([], True, 10)
    nothing = await resume_all(history, ANN, {third: 4}, room=0)
    assert (nothing[first].complete, nothing[first].rev) == (False, 0)
    assert not any(conversation.messages for conversation in nothing.values())


async def test_a_resume_tells_the_epoch(history: Asker, migrated_url: str) -> None:
    assert (await history.resume(ANN, {})).epoch == ""
    await insert(migrated_url, tables.epoch, [{"id": 1, "value": "e1"}])
    assert (await history.resume(ANN, {})).epoch == "e1"


async def test_resume_and_sync_together_give_everything_whatever_the_size(history: Asker, migrated_url: str) -> None:
    chance = random.Random(7)  # noqa: S311 - reproducible, not secret
    expected: dict[ConversationId, set[int]] = {}
    cursors: dict[ConversationId, int] = {}
    for number in range(40):
        peer = UserId(f"u-peer{number}")
        conversation = direct_conversation_id(ANN, peer)
        count = chance.choice((0, 1, 5, 60, 450))
        order = chance.sample(range(1, count + 1), chance.randint(0, count // 3))  # edited later, in this order
        rows: list[Row] = [
            message_row(conversation, seq, peer, "x" * chance.choice((1, 80, 3000)), mentions='["ann"]')
            for seq in range(1, count + 1)
        ]
        for rev, seq in enumerate(order, start=count + 1):
            rows[seq - 1]["rev"] = rev
        head = count + len(order)
        seen = chance.randint(0, count)
        if chance.random() < 0.5:
            cursor = cursors[conversation] = chance.choice((0, seen, head, head + 1))
            floor = 0 if cursor > head else cursor
            expected[conversation] = {row["seq"] for row in rows if row["rev"] > floor}
        else:
            expected[conversation] = set(range(seen + 1, count + 1))
        members = [member_row(conversation, ANN, seen), member_row(conversation, peer)]
        await store_conversation(migrated_url, conversation, members, rows, rev=head)
    got: dict[ConversationId, set[int]] = {}
    for conversation, missed in (await resume_all(history, ANN, cursors)).items():
        got[conversation] = set(seqs(missed))
        rev, is_complete = missed.rev, missed.complete
        while not is_complete:
            page = await history.sync(ANN, conversation, 200, after_rev=rev)
            revs = [message["rev"] for message in page.messages]
            assert revs == sorted(revs)
            assert page.messages
            got[conversation] |= {message["seq"] for message in page.messages}
            rev, is_complete = page.rev, page.complete
    assert {name: found >= expected[name] for name, found in got.items()} == dict.fromkeys(expected, True)


async def test_sync_by_rev_ends_with_the_head_as_the_new_cursor(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=5)
    first = await history.sync(ANN, DIRECT, 3, after_rev=1)
    assert ([m["rev"] for m in first.messages], first.rev, first.complete) == ([2, 3, 4], 4, False)
    second = await history.sync(ANN, DIRECT, 3, after_rev=4)
    assert ([m["rev"] for m in second.messages], second.rev, second.complete) == ([5], 5, True)
    assert "type" not in first.messages[0]
    assert [(member.username, member.delivered_seq) for member in first.members] == [("ann", 0), ("ben", 5)]


async def test_sync_by_seq_goes_back_to_the_beginning(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=5)
    first = await history.sync(ANN, DIRECT, 2, before_seq=4)
    assert ([m["seq"] for m in first.messages], first.rev, first.complete) == ([2, 3], 5, False)
    second = await history.sync(ANN, DIRECT, 2, before_seq=2)
    assert ([m["seq"] for m in second.messages], second.rev, second.complete) == ([1], 5, True)


async def test_sync_of_what_is_not_ones_own_is_refused(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url)
    await store_conversation(
        migrated_url, GROUP, [member_row(GROUP, ANN, left_rev=1), member_row(GROUP, BEN)], kind="group"
    )
    for user, conversation, more, code in (
        (CAT, DIRECT, {"after_rev": 0}, Code.NOT_FOUND),
        (ANN, ConversationId("none"), {"after_rev": 0}, Code.NOT_FOUND),
        (ANN, GROUP, {"after_rev": 0}, Code.NOT_MEMBER),
        (ANN, DIRECT, {}, Code.INVALID),
        (ANN, DIRECT, {"after_rev": 0, "before_seq": 1}, Code.INVALID),
    ):
        with pytest.raises(Refusal) as refused:
            await history.sync(user, conversation, 10, **more)
        assert refused.value.code == code


async def test_members_are_told_with_their_cursors_and_a_conversation_that_is_not_there_has_none(
    history: Asker, migrated_url: str
) -> None:
    await a_conversation(migrated_url, seqs=5, delivered=2)
    found = await history.members(DIRECT)
    assert (found.kind, found.last_seq, found.rev) == ("direct", 5, 5)
    assert {(member.user_id, member.delivered_seq, member.left) for member in found.members} == {
        (ANN, 2, False),
        (BEN, 5, False),
    }
    nothing = await history.members(GROUP)
    assert (nothing.kind, nothing.members) == ("", [])


async def test_one_message_is_told_to_members_alone(history: Asker, migrated_url: str) -> None:
    await a_conversation(migrated_url, seqs=3, delivered=2)
    second = MessageId(message_row(DIRECT, 2, BEN)["message_id"])
    on_page = (await history.page(BEN, DIRECT)).messages[1]
    assert await history.message(BEN, second) == on_page
    assert on_page["status"] == "delivered"
    assert await history.message(CAT, second) is None
    assert await history.message(BEN, MessageId("m-unknown")) is None


async def test_outcomes_tell_the_stored_ones_with_the_revision_that_stored_them(
    history: Asker, migrated_url: str
) -> None:
    row = message_row(DIRECT, 1, BEN, rev=9)
    await store_conversation(migrated_url, DIRECT, [member_row(DIRECT, ANN)], [row])
    found = await history.outcomes([MessageId(row["message_id"]), MessageId("m-unknown")])
    assert [(o.message_id, o.seq, o.rev, o.sent_at_ms, o.request) for o in found] == [
        (row["message_id"], 1, 1, row["sent_at_ms"], row["request"].hex())
    ]
    assert await history.outcomes([]) == []
    with pytest.raises(Refusal):
        await history.outcomes([MessageId("m")] * 2001)
