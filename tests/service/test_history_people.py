"""Who is in a conversation, who blocks whom, and whom one may watch, asked over a real broker, from both databases."""

import pytest

from services.history.store import people
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, UserId, direct_conversation_id
from shared.database import tables
from tests.support.history import (
    ANN,
    BEN,
    CAT,
    DAN,
    DIRECT,
    GROUP,
    Asker,
    insert,
    member_row,
    message_row,
    store_conversation,
)
from tests.support.rows import block_row


async def a_pair(url: str, one: UserId, other: UserId) -> None:
    name = direct_conversation_id(one, other)
    await store_conversation(url, name, [member_row(name, one), member_row(name, other)], [message_row(name, 1, one)])


async def a_group(url: str, *members: UserId, name: ConversationId = GROUP, left: tuple[UserId, ...] = ()) -> None:
    rows = [*(member_row(name, user) for user in members), *(member_row(name, user, left_rev=1) for user in left)]
    await store_conversation(url, name, rows, [message_row(name, 1, members[0])], kind="group")


async def test_members_are_told_with_who_of_the_pair_blocks_the_other(history: Asker, migrated_url: str) -> None:
    await a_pair(migrated_url, ANN, BEN)
    assert (await history.members(DIRECT)).blocker_ids == []
    await insert(migrated_url, tables.block, [block_row(BEN, ANN)])
    assert (await history.members(DIRECT)).blocker_ids == [BEN]
    await insert(migrated_url, tables.block, [block_row(ANN, BEN)])
    found = await history.members(DIRECT)
    assert (found.kind, found.blocker_ids, len(found.members)) == ("direct", [ANN, BEN], 2)


async def test_a_block_of_a_conversation_that_does_not_exist_yet_is_told(history: Asker, migrated_url: str) -> None:
    await insert(migrated_url, tables.block, [block_row(ANN, BEN)])
    found = await history.members(DIRECT)
    assert (found.kind, found.members, found.blocker_ids) == ("", [], [ANN])


async def test_those_one_shares_a_conversation_with_may_be_watched_in_the_order_asked(
    history: Asker, migrated_url: str
) -> None:
    await a_pair(migrated_url, ANN, BEN)
    await a_group(migrated_url, CAT, ANN)
    assert await history.acquainted(ANN, CAT, BEN, DAN, CAT) == [CAT, BEN]
    assert await history.acquainted(BEN, CAT, DAN, ANN) == [ANN]
    assert await history.acquainted(DAN, ANN, BEN) == []


async def test_oneself_may_always_be_watched(history: Asker) -> None:
    assert await history.acquainted(ANN, BEN, ANN) == [ANN]
    assert await history.acquainted(ANN) == []


async def test_former_members_are_not_acquainted_by_what_they_left(history: Asker, migrated_url: str) -> None:
    await a_group(migrated_url, CAT, left=(ANN, BEN))
    await a_group(migrated_url, ANN, name=ConversationId("g2"), left=(DAN,))
    assert await history.acquainted(ANN, BEN, CAT, DAN) == []
    assert await history.acquainted(CAT, ANN) == []


async def test_a_block_either_way_hides_the_two_from_each_other_also_in_groups(
    history: Asker, migrated_url: str
) -> None:
    await a_pair(migrated_url, ANN, BEN)
    await a_group(migrated_url, ANN, BEN, CAT, DAN)
    await insert(migrated_url, tables.block, [block_row(ANN, BEN), block_row(CAT, ANN)])
    assert await history.acquainted(ANN, BEN, CAT, DAN) == [DAN]
    assert await history.acquainted(BEN, ANN, CAT) == [CAT]
    assert await history.acquainted(CAT, ANN, BEN) == [BEN]


@pytest.mark.parametrize("many", [1, 3])
async def test_who_is_in_many_conversations_is_found_as_well(
    history: Asker, migrated_url: str, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(people, "MANY", many)
    await a_group(migrated_url, ANN, BEN, CAT, left=(DAN,))
    await a_group(migrated_url, BEN, DAN, name=ConversationId("g2"))
    await a_group(migrated_url, BEN, DAN, name=ConversationId("g3"), left=(ANN,))
    assert await history.acquainted(ANN, BEN, CAT, DAN) == [BEN, CAT]
    assert await history.acquainted(DAN, ANN, BEN, CAT) == [BEN]


async def test_five_hundred_may_be_asked_for_and_no_more(history: Asker, migrated_url: str) -> None:
    strangers = [UserId(f"u-{number}") for number in range(499)]
    await a_pair(migrated_url, ANN, BEN)
    assert await history.acquainted(ANN, *strangers, BEN) == [BEN]
    with pytest.raises(Refusal) as refused:
        await history.acquainted(ANN, *strangers, BEN, CAT)
    assert refused.value.code == Code.INVALID
