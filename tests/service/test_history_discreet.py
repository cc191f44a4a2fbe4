"""Who reads without telling has read nothing new for the others, asked over a real broker, from both databases."""

from collections.abc import Iterable
from typing import Any

from shared.contracts.ids import MessageId
from shared.contracts.queries import Member
from tests.support.history import (
    ANN,
    BEN,
    CAT,
    DIRECT,
    GROUP,
    NOON,
    Asker,
    member_row,
    message_row,
    receipt_row,
    store_conversation,
)


async def ben_reads_discreetly(url: str) -> None:
    """ann wrote 6 messages; ben told that it read 2 of them, and has read 5."""
    await store_conversation(
        url,
        DIRECT,
        [member_row(DIRECT, ANN, 6, 6), member_row(DIRECT, BEN, 6, 5, shown=2)],
        [message_row(DIRECT, seq, ANN) for seq in range(1, 7)],
        [receipt_row(DIRECT, BEN, "read", 2, 30), receipt_row(DIRECT, BEN, "delivered", 6, 40)],
    )


def reading(members: Iterable[Member]) -> dict[str, tuple[int, int]]:
    return {member.username: (member.read_seq, (member.read_at_ms - NOON) // 1000) for member in members}


async def test_a_page_shows_others_what_was_told_and_oneself_what_was_read(history: Asker, migrated_url: str) -> None:
    await ben_reads_discreetly(migrated_url)
    of_ann, of_ben = await history.page(ANN, DIRECT), await history.page(BEN, DIRECT)
    assert reading(of_ann.members) == {"ann": (6, 20), "ben": (2, 15)}
    assert reading(of_ben.members) == {"ann": (6, 20), "ben": (5, 20)}
    assert [member.delivered_seq for member in of_ann.members] == [6, 6]
    assert of_ben.first_unread_seq == 6


async def test_status_is_what_the_sender_would_see_whoever_asks(history: Asker, migrated_url: str) -> None:
    await ben_reads_discreetly(migrated_url)
    for user in (ANN, BEN):
        told = [
            (m["status"], m["read_at"] and m["read_at"][17:19]) for m in (await history.page(user, DIRECT)).messages
        ]
        assert told == [("read", "30")] * 2 + [("delivered", None)] * 4
    fourth = MessageId(message_row(DIRECT, 4, ANN)["message_id"])
    assert (await history.message(ANN, fourth))["status"] == "delivered"


async def test_a_group_counts_as_readers_who_told(history: Asker, migrated_url: str) -> None:
    await store_conversation(
        migrated_url,
        GROUP,
        [member_row(GROUP, ANN, 1), member_row(GROUP, BEN, 1, 1, shown=0), member_row(GROUP, CAT, 1, 1)],
        [message_row(GROUP, 1, ANN)],
        kind="group",
    )
    (message,) = (await history.page(ANN, GROUP)).messages
    assert (message["status"], message["delivered_to"], message["read_by"]) == ("delivered", 2, 1)


async def test_sync_shows_others_what_was_told(history: Asker, migrated_url: str) -> None:
    await ben_reads_discreetly(migrated_url)
    for user, read in ((ANN, 2), (BEN, 5)):
        page = await history.sync(user, DIRECT, 10, after_rev=5)
        assert reading(page.members)["ben"][0] == read


async def test_a_replay_tells_others_of_what_was_told_and_oneself_of_what_was_read(
    history: Asker, migrated_url: str
) -> None:
    await ben_reads_discreetly(migrated_url)

    async def of_ben(asker: Any) -> tuple[list[tuple[str, int, str]], int]:
        (missed,) = (await history.resume(asker, {DIRECT: 6})).conversations
        receipts = [(r["state"], r["up_to_seq"], r["at"][17:19]) for r in missed.receipts if r["user"] == "ben"]
        return receipts, reading(missed.members)["ben"][0]

    assert await of_ben(ANN) == ([("delivered", 6, "10"), ("read", 2, "15")], 2)
    assert await of_ben(BEN) == ([("delivered", 6, "10"), ("read", 5, "20")], 5)


async def test_a_replay_has_no_read_receipt_of_who_never_told(history: Asker, migrated_url: str) -> None:
    members = [member_row(DIRECT, ANN, 1), member_row(DIRECT, BEN, 1, 1, shown=0)]
    await store_conversation(migrated_url, DIRECT, members, [message_row(DIRECT, 1, ANN)])
    for user, states in ((ANN, ["delivered"]), (BEN, ["delivered", "read"])):
        (missed,) = (await history.resume(user, {DIRECT: 1})).conversations
        assert [frame["state"] for frame in missed.receipts if frame["user"] == "ben"] == states


async def test_gateways_are_told_what_was_truly_read(history: Asker, migrated_url: str) -> None:
    await ben_reads_discreetly(migrated_url)
    assert reading((await history.members(DIRECT)).members) == {"ann": (6, 20), "ben": (5, 20)}
