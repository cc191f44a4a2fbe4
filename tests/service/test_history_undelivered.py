"""What of a user's own messages has not reached somebody, asked over a real broker, from both databases."""

from typing import Any

import pytest

from services.history.domain import waiting
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, UserId
from shared.contracts.queries import Undelivered
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
    store_conversation,
)
from tests.support.rows import retry_row

OTHER = ConversationId("c0")


async def ann_wrote(url: str, conversation: ConversationId = DIRECT, count: int = 4, ben_has: int = 0) -> None:
    members = [member_row(conversation, ANN, count), member_row(conversation, BEN, ben_has)]
    messages = [message_row(conversation, seq, ANN) for seq in range(1, count + 1)]
    await store_conversation(url, conversation, members, messages)


async def all_waiting(history: Asker, user: UserId, **more: Any) -> list[Undelivered]:
    """Ask on until the last page."""
    items: list[Undelivered] = []
    after = None
    while True:
        page = await history.undelivered(user, after=after, **more)
        items += page.items
        if page.next is None:
            return items
        assert page.next != after
        after = page.next


def places(items: list[Undelivered]) -> list[tuple[str, int, str]]:
    return [(item.conversation_id, item.seq, item.to) for item in items]


async def test_what_one_wrote_and_another_does_not_have_is_waiting(history: Asker, migrated_url: str) -> None:
    await store_conversation(
        migrated_url,
        DIRECT,
        [member_row(DIRECT, ANN, 3), member_row(DIRECT, BEN, 2)],
        [message_row(DIRECT, seq, BEN if seq == 4 else ANN) for seq in range(1, 6)],
    )
    page = await history.undelivered(ANN)
    third, fifth = (message_row(DIRECT, seq, ANN)["message_id"] for seq in (3, 5))
    assert page.items == [
        Undelivered(third, DIRECT, "ben", BEN, 3, "sent", 0, None),  # type: ignore[arg-type]  # a username
        Undelivered(fifth, DIRECT, "ben", BEN, 5, "sent", 0, None),  # type: ignore[arg-type]
    ]
    assert page.next is None
    assert places((await history.undelivered(BEN)).items) == [(DIRECT, 4, "ann")]
    assert (await history.undelivered(CAT)).items == []


async def test_everybody_who_does_not_have_a_message_is_an_item_but_not_who_left(
    history: Asker, migrated_url: str
) -> None:
    await store_conversation(
        migrated_url,
        GROUP,
        [
            member_row(GROUP, ANN, 2),
            member_row(GROUP, BEN, 1),
            member_row(GROUP, CAT),
            member_row(GROUP, DAN, left_rev=3),
        ],
        [message_row(GROUP, seq, ANN) for seq in (1, 2)],
        kind="group",
    )
    assert places(await all_waiting(history, ANN)) == [(GROUP, 1, "cat"), (GROUP, 2, "ben"), (GROUP, 2, "cat")]
    assert await all_waiting(history, DAN) == []


async def test_the_state_is_that_of_the_recipients_entry(history: Asker, migrated_url: str) -> None:
    due = NOON + 60_000
    for number, (entry, told) in enumerate(
        [
            ({"up_to_seq": 2}, ("sent", 0, due, "")),
            ({"up_to_seq": 2, "attempt": 2}, ("retrying", 2, due, "")),
            (
                {"up_to_seq": 2, "attempt": 3, "state": "failed", "reason": "no device"},
                ("failed", 3, None, "no device"),
            ),
            ({"up_to_seq": 1, "attempt": 2}, ("sent", 0, None, "")),
        ]
    ):
        name = ConversationId(f"c{number}")
        await ann_wrote(migrated_url, name, 2, ben_has=1)
        await insert(migrated_url, tables.retry, [retry_row(name, BEN, **entry)])  # type: ignore[arg-type]
        (item,) = [item for item in await all_waiting(history, ANN) if item.conversation_id == name]
        assert (item.status, item.retry_count, item.next_retry_at_ms, item.reason) == told, entry


async def test_a_message_above_what_an_entry_is_for_is_only_sent(history: Asker, migrated_url: str) -> None:
    await ann_wrote(migrated_url, count=3)
    await insert(migrated_url, tables.retry, [retry_row(DIRECT, BEN, 2, 1)])
    told = [(item.seq, item.status, item.retry_count) for item in await all_waiting(history, ANN)]
    assert told == [(1, "retrying", 1), (2, "retrying", 1), (3, "sent", 0)]


async def test_pages_of_any_size_make_the_whole(history: Asker, migrated_url: str) -> None:
    await ann_wrote(migrated_url, OTHER, 3)
    await ann_wrote(migrated_url, ConversationId("c1"), 3, ben_has=3)
    await store_conversation(
        migrated_url,
        GROUP,
        [member_row(GROUP, ANN), *(member_row(GROUP, user) for user in (BEN, CAT, DAN))],
        [message_row(GROUP, seq, ANN if seq % 2 else BEN) for seq in range(1, 6)],
        kind="group",
    )
    whole = [(OTHER, seq, "ben") for seq in (1, 2, 3)]
    whole += [(GROUP, seq, name) for seq in (1, 3, 5) for name in ("ben", "cat", "dan")]
    for limit in (1, 2, 3, 4, 12, 200):
        assert places(await all_waiting(history, ANN, limit=limit)) == whole


async def test_a_page_ends_before_it_looks_at_too_much(
    history: Asker, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await ann_wrote(migrated_url, ConversationId(f"c{number}"), 4)
    await store_conversation(
        migrated_url,
        GROUP,
        [member_row(GROUP, ANN), member_row(GROUP, BEN), member_row(GROUP, CAT, 9)],
        [message_row(GROUP, seq, ANN if seq == 9 else CAT) for seq in range(1, 10)],
        kind="group",
    )
    whole = [(f"c{number}", seq, "ben") for number in range(4) for seq in range(1, 5)] + [(GROUP, 9, "ben")]
    for bound, value, first in (("LOOKED_AT", 3, 3), ("WAITING_MEMBERS", 2, 8), ("WAITING_MEMBERS", 0, 4)):
        with monkeypatch.context() as bounded:
            bounded.setattr(waiting, bound, value)
            assert len((await history.undelivered(ANN)).items) == first
            assert places(await all_waiting(history, ANN)) == whole


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 201}, {"after": ("c", -1, "u")}], ids=str)
async def test_wrong_questions_are_refused(history: Asker, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        await history.undelivered(ANN, **wrong)
    assert refused.value.code == Code.INVALID
