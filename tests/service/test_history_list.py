"""A user's conversations as a list and one by one, asked over a real broker, from both databases."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.history.domain import listing
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, UserId
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
    encoded,
    insert,
    member_row,
    message_row,
    receipt_row,
    store_conversation,
)
from tests.support.rows import account_row, block_row, setting_row


async def a_talk(
    url: str, conversation: ConversationId, at_s: int, *, content: str = "hi", kind: str = "direct"
) -> None:
    """ben wrote once to ann, so many seconds after noon."""
    await store_conversation(
        url,
        conversation,
        [member_row(conversation, ANN), member_row(conversation, BEN, 1)],
        [message_row(conversation, 1, BEN, content, sent_at_ms=NOON + at_s * 1000)],
        kind=kind,
    )


async def whole_list(history: Asker, user: UserId, **more: Any) -> list[Any]:
    """Ask on until the last page."""
    items: list[Any] = []
    before = None
    while True:
        page = await history.conversations(user, before=before, **more)
        assert len(encoded(page)) < 900_000
        items += page.items
        if page.next is None:
            return items
        assert page.items
        before = page.next


def names(items: Sequence[Any]) -> list[str]:
    return [item["conversation_id"] for item in items]


async def test_a_conversation_is_told_with_its_last_message_and_all_that_is_kept_about_it(
    history: Asker, migrated_url: str
) -> None:
    await store_conversation(
        migrated_url,
        DIRECT,
        [member_row(DIRECT, ANN, 4, 1), member_row(DIRECT, BEN, 5, 5, shown=4)],
        [message_row(DIRECT, seq, ANN if seq in {1, 4, 5} else BEN) for seq in range(1, 6)],
        [receipt_row(DIRECT, BEN, "delivered", 3, 30), receipt_row(DIRECT, BEN, "delivered", 5, 40)],
        rev=9,
    )
    await insert(migrated_url, tables.account, [account_row(BEN, "Ben Ö.")])
    await insert(migrated_url, tables.member_setting, [setting_row(DIRECT, ANN, muted=True, draft="so")])
    await insert(migrated_url, tables.block, [block_row(ANN, BEN)])
    (item,) = (await history.conversations(ANN)).items
    ben = {"username": "ben", "display_name": "Ben Ö.", "delivered_seq": 5, "read_seq": 4}
    assert item == {
        "conversation_id": DIRECT,
        "kind": "direct",
        "rev": 9,
        "last_seq": 5,
        "last_message": (await history.page(ANN, DIRECT)).messages[-1],
        "unread": 2,
        "first_unread_seq": 2,
        "delivered_seq": 4,
        "read_seq": 1,
        "members": [{"username": "ann", "display_name": "", "delivered_seq": 4, "read_seq": 1}, ben],
        "peer": ben,
        "muted": True,
        "pinned": False,
        "archived": False,
        "draft": "so",
        "blocked": True,
    }
    last = item["last_message"]
    assert (last["seq"], last["status"], last["id"]) == (5, "delivered", f"{DIRECT}-5")
    assert (last["delivered_at"], last["read_at"]) == ("2025-11-22T12:00:40.000Z", None)
    assert await history.conversation(ANN, DIRECT) == item


async def test_the_other_one_sees_its_own_side(history: Asker, migrated_url: str) -> None:
    await store_conversation(
        migrated_url,
        DIRECT,
        [member_row(DIRECT, ANN, 4, 1), member_row(DIRECT, BEN, 5, 5, shown=4)],
        [message_row(DIRECT, seq, ANN) for seq in range(1, 6)],
    )
    await insert(migrated_url, tables.member_setting, [setting_row(DIRECT, ANN, pinned=True)])
    await insert(migrated_url, tables.block, [block_row(ANN, BEN)])
    item = await history.conversation(BEN, DIRECT)
    assert (item["read_seq"], item["unread"], item["first_unread_seq"]) == (5, 0, None)
    assert (item["pinned"], item["blocked"], item["peer"]["username"]) == (False, False, "ann")
    assert "id" not in item["last_message"]
    assert [member["read_seq"] for member in item["members"]] == [1, 5]


async def test_the_newest_message_leads_the_list_page_by_page(history: Asker, migrated_url: str) -> None:
    seconds = {ConversationId(f"c{number}"): (number * 7) % 10 for number in range(10)}
    for conversation, at_s in seconds.items():
        await a_talk(migrated_url, conversation, at_s)
    for conversation in (ConversationId("x1"), ConversationId("x2"), ConversationId("x3")):
        await a_talk(migrated_url, conversation, 5)  # all at one moment
    whole = await whole_list(history, ANN)
    assert [item["last_message"]["sent_at"] for item in whole] == sorted(
        (item["last_message"]["sent_at"] for item in whole), reverse=True
    )
    assert set(names(whole)) == {*seconds, "x1", "x2", "x3"}
    for limit in (1, 2, 5, 13):
        assert names(await whole_list(history, ANN, limit=limit)) == names(whole)
    assert (await history.conversations(ANN, limit=13)).next is None


async def test_only_what_one_is_in_now_is_listed(history: Asker, migrated_url: str) -> None:
    await a_talk(migrated_url, DIRECT, 1)
    await store_conversation(
        migrated_url,
        GROUP,
        [member_row(GROUP, ANN, left_rev=2), member_row(GROUP, CAT)],
        [message_row(GROUP, 1, CAT)],
        kind="group",
    )
    assert names((await history.conversations(ANN)).items) == [DIRECT]
    assert names((await history.conversations(CAT)).items) == [GROUP]
    assert (await history.conversations(DAN)).items == []
    for user, conversation, code in (
        (ANN, GROUP, Code.NOT_MEMBER),
        (DAN, GROUP, Code.NOT_FOUND),
        (ANN, ConversationId("none"), Code.NOT_FOUND),
    ):
        with pytest.raises(Refusal) as refused:
            await history.conversation(user, conversation)
        assert refused.value.code == code


async def test_a_group_tells_its_present_members_and_how_many_have_the_last_message(
    history: Asker, migrated_url: str
) -> None:
    await store_conversation(
        migrated_url,
        GROUP,
        [
            member_row(GROUP, ANN, 2, 2),
            member_row(GROUP, BEN, 2, 2),
            member_row(GROUP, CAT, 2, 0),
            member_row(GROUP, DAN, left_rev=3),
        ],
        [message_row(GROUP, 1, BEN), message_row(GROUP, 2, ANN)],
        [
            receipt_row(GROUP, BEN, "read", 2, 30),
            receipt_row(GROUP, CAT, "delivered", 2, 40),
        ],
        kind="group",
        rev=3,
    )
    (item,) = (await history.conversations(ANN)).items
    assert item["last_message"] == (await history.page(ANN, GROUP)).messages[-1]
    last = item["last_message"]
    assert (last["status"], last["delivered_to"], last["read_by"]) == ("delivered", 2, 1)
    assert last["delivered_at"] == "2025-11-22T12:00:40.000Z"
    assert [member["username"] for member in item["members"]] == ["ann", "ben", "cat"]
    assert "peer" not in item


async def test_of_a_large_group_a_hundred_members_are_told(history: Asker, migrated_url: str) -> None:
    people = [UserId(f"u-{number:04}") for number in range(150)]
    await store_conversation(
        migrated_url,
        GROUP,
        [member_row(GROUP, user, 1, 1) for user in people],
        [message_row(GROUP, 1, people[0])],
        kind="group",
    )
    (item,) = (await history.conversations(people[0])).items
    assert (len(item["members"]), item["last_message"]["read_by"]) == (100, 149)


async def test_a_group_in_which_nothing_was_written_has_no_last_message(history: Asker, migrated_url: str) -> None:
    await store_conversation(migrated_url, GROUP, [member_row(GROUP, ANN)], kind="group", rev=1)
    item = await history.conversation(ANN, GROUP)
    assert (item["last_message"], item["unread"], item["last_seq"]) == (None, 0, 0)


async def test_archived_conversations_are_told_apart(history: Asker, migrated_url: str) -> None:
    for number in range(4):
        await a_talk(migrated_url, ConversationId(f"c{number}"), number)
    flags = [(0, ANN, True), (1, ANN, False), (3, BEN, True)]
    await insert(
        migrated_url,
        tables.member_setting,
        [setting_row(ConversationId(f"c{number}"), user, archived=archived) for number, user, archived in flags],
    )
    assert names(await whole_list(history, ANN)) == ["c3", "c2", "c1", "c0"]
    assert names(await whole_list(history, ANN, archived=True)) == ["c0"]
    assert names(await whole_list(history, ANN, archived=False, limit=1)) == ["c3", "c2", "c1"]


async def test_a_page_of_the_list_fits_into_one_message_of_the_broker(history: Asker, migrated_url: str) -> None:
    for number in range(60):
        await a_talk(migrated_url, ConversationId(f"c{number:02}"), number, content="\n" * 8000)
    first = await history.conversations(ANN, limit=60)
    assert 40 < len(first.items) < 60
    assert names(await whole_list(history, ANN, limit=60)) == [f"c{number:02}" for number in reversed(range(60))]


async def test_a_page_ends_before_more_members_than_can_be_read(
    history: Asker, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_MEMBERS", 5)
    for number in range(4):
        await a_talk(migrated_url, ConversationId(f"c{number}"), number, kind="group" if number % 2 else "direct")
    assert names((await history.conversations(ANN)).items) == ["c3", "c2"]
    assert names(await whole_list(history, ANN)) == ["c3", "c2", "c1", "c0"]


async def test_a_stretch_too_long_to_be_counted_is_told_as_it_is(
    history: Asker, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in (("long", 9), ("short", 4)):
        conversation = ConversationId(name)
        await store_conversation(
            migrated_url,
            conversation,
            [member_row(conversation, ANN, count, 1), member_row(conversation, BEN, count)],
            [message_row(conversation, seq, (ANN, BEN)[seq % 2]) for seq in range(1, count + 1)],
        )
    exact = {item["conversation_id"]: item for item in (await history.conversations(ANN)).items}
    assert {name: (item["unread"], item["first_unread_seq"]) for name, item in exact.items()} == {
        "long": (4, 3),
        "short": (1, 3),
    }
    monkeypatch.setattr(listing, "COUNTED_MESSAGES", 10)
    bounded = {item["conversation_id"]: item for item in (await history.conversations(ANN)).items}
    assert (bounded["long"]["unread"], bounded["long"]["first_unread_seq"]) == (8, 2)
    assert (bounded["short"]["unread"], bounded["short"]["first_unread_seq"]) == (1, 3)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 201}, {"before": (-1, "c")}, {"before": (2**63, "c")}], ids=str
)
async def test_wrong_questions_for_the_list_are_refused(history: Asker, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        await history.conversations(ANN, **wrong)
    assert refused.value.code == Code.INVALID
