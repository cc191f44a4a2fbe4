"""History's decisions: pages without overlap or hole, resumes that can be gone on with, status and its times."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.history.domain.pages import PAGE_BYTES, cut_page, cut_sync, reading_of
from services.history.domain.progress import Progress
from services.history.domain.questions import check_page
from services.history.domain.resume import PART_MESSAGES, gather, share_out, start_of
from services.history.domain.stored import Conversation, Own, StoredMember, StoredMessage, StoredReceipt, admit
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ClientId, ConversationId, MessageId, UserId, Username
from shared.contracts.queries import GetPage, Missed, Sync

ANN, BEN, CAT = UserId("ann"), UserId("ben"), UserId("cat")
HERE = ConversationId("c")

sizes_of_messages = st.lists(st.sampled_from([10, 1_000, 60_000, 200_000, PAGE_BYTES + 1]), max_size=60)


def a_message(
    seq: int, size: int = 10, *, rev: int = 0, conversation: ConversationId = HERE, sender: UserId = BEN
) -> StoredMessage:
    return StoredMessage(
        conversation_id=conversation,
        seq=seq,
        rev=rev or seq,
        first_rev=seq,
        message_id=MessageId(f"m{seq}"),
        sender_id=sender,
        sender=Username(sender),
        client_id=ClientId(f"i{seq}"),
        content="hi",
        content_type="text/plain",
        sent_at_ms=seq,
        reply_to=None,
        mentions=(),
        size=size,
    )


def a_member(
    user: UserId, delivered: int = 0, read: int = 0, *, shown: int | None = None, left: bool = False
) -> StoredMember:
    shown = read if shown is None else shown
    return StoredMember(user, Username(user), delivered, read, 1, 2, shown, 3, left)


def page_of(stored: Sequence[StoredMessage], query: GetPage, found: int | None = None) -> tuple[list[int], bool, bool]:
    """Read a page as the store does: a message more than asked, in the order of reading."""
    last_seq = len(stored)
    reading = reading_of(query, last_seq, found)
    if reading.is_backwards:
        rows = [message for message in reversed(stored) if message.seq < reading.edge]
    else:
        rows = [message for message in stored if message.seq > reading.edge]
    cut = cut_page(rows[: reading.limit + 1], reading, last_seq)
    return [message.seq for message in cut.messages], cut.has_older, cut.has_newer


@given(sizes_of_messages, st.integers(1, 20))
def test_pages_backwards_make_the_whole_history_without_overlap_or_hole(sizes: list[int], limit: int) -> None:
    stored = [a_message(seq, size) for seq, size in enumerate(sizes, start=1)]
    seqs, has_more, _ = page_of(stored, GetPage(ANN, HERE, limit))
    whole = seqs
    while has_more:
        assert seqs
        seqs, has_more, has_newer = page_of(stored, GetPage(ANN, HERE, limit, before_seq=seqs[0]))
        assert has_newer
        whole = seqs + whole
    assert whole == list(range(1, len(sizes) + 1))


@given(sizes_of_messages, st.integers(1, 20))
def test_pages_forwards_make_the_whole_history_without_overlap_or_hole(sizes: list[int], limit: int) -> None:
    stored = [a_message(seq, size) for seq, size in enumerate(sizes, start=1)]
    seqs, has_older, has_more = page_of(stored, GetPage(ANN, HERE, limit, after_seq=0))
    assert not has_older
    whole = seqs
    while has_more:
        assert seqs
        seqs, has_older, has_more = page_of(stored, GetPage(ANN, HERE, limit, after_seq=seqs[-1]))
        assert has_older
        whole = whole + seqs
    assert whole == list(range(1, len(sizes) + 1))


@given(sizes_of_messages.filter(len), st.integers(1, 20), st.data())
def test_a_page_around_a_message_holds_it_and_tells_what_is_beyond(
    sizes: list[int], limit: int, data: st.DataObject
) -> None:
    stored = [a_message(seq, size) for seq, size in enumerate(sizes, start=1)]
    middle = data.draw(st.integers(1, len(sizes)))
    query = GetPage(ANN, HERE, limit, around=MessageId("m"))
    seqs, has_older, has_newer = page_of(stored, query, middle)
    assert middle in seqs
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert (has_older, has_newer) == (seqs[0] > 1, seqs[-1] < len(sizes))
    content = sum(sizes[seq - 1] for seq in seqs)
    assert len(seqs) <= limit
    assert len(seqs) == 1 or content <= PAGE_BYTES


@pytest.mark.parametrize(("middle", "seqs"), [(1, [1, 2, 3, 4]), (5, [3, 4, 5, 6]), (10, [7, 8, 9, 10])])
def test_a_page_around_a_message_at_an_end_is_as_full_as_any(middle: int, seqs: list[int]) -> None:
    stored = [a_message(seq) for seq in range(1, 11)]
    assert page_of(stored, GetPage(ANN, HERE, 4, around=MessageId("m")), middle)[0] == seqs


@st.composite
def conversations(draw: st.DrawFn) -> dict[ConversationId, tuple[Own, list[StoredMessage]]]:
    """Draw some conversations of one user, with messages that were edited after all were sent."""
    made: dict[ConversationId, tuple[Own, list[StoredMessage]]] = {}
    for number in range(draw(st.integers(1, 6))):
        name = ConversationId(f"c{number}")
        count = draw(st.sampled_from([0, 1, 3, 40, 230, 450]))
        edited = draw(st.permutations(range(1, count + 1)))[: draw(st.integers(0, 20))] if count else []
        size = draw(st.sampled_from([10, 2_000, 100_000]))
        revs = {seq: rev for rev, seq in enumerate(edited, start=count + 1)}
        stored = [a_message(seq, size, rev=revs.get(seq, seq), conversation=name) for seq in range(1, count + 1)]
        made[name] = (Own(name, count, count + len(edited), draw(st.integers(0, count))), stored)
    return made


@given(conversations(), st.integers(0, 900), st.data())
def test_a_resume_gone_on_with_by_sync_leaves_out_nothing(
    stored: dict[ConversationId, tuple[Own, list[StoredMessage]]], room: int, data: st.DataObject
) -> None:
    cursors = {
        name: data.draw(st.integers(0, own.rev + 1)) for name, (own, _) in stored.items() if data.draw(st.booleans())
    }
    parts: dict[ConversationId, Missed[object]] = {}
    while len(parts) < len(stored):
        rest = [own for name, (own, _) in stored.items() if name not in parts]
        part = resume_part(rest, stored, cursors, room)
        assert part
        assert sum(len(missed.messages) for missed in part) <= min(room, PART_MESSAGES)
        for missed in part:
            room -= len(missed.messages)
            parts[missed.conversation_id] = missed
    assert list(parts) == list(stored)
    for name, missed in parts.items():
        own, messages = stored[name]
        floor = 0 if missed.reset else cursors.get(name, 0)
        wanted = {m.seq for m in messages if (m.rev > floor if name in cursors else m.seq > own.delivered_seq)}
        got = {message["seq"] for message in missed.messages}  # type: ignore[index]  # frames are dictionaries
        rev, is_complete = missed.rev, missed.complete
        while not is_complete:
            query = Sync(ANN, name, 200, after_rev=rev)
            rows = sorted((m for m in messages if m.rev > rev), key=lambda message: message.rev)[:201]
            kept, rev, is_complete = cut_sync(rows, query, own.rev)
            got |= {message.seq for message in kept}
        assert rev == own.rev
        assert got >= wanted


def resume_part(
    rest: Sequence[Own],
    stored: dict[ConversationId, tuple[Own, list[StoredMessage]]],
    cursors: dict[ConversationId, int],
    room: int,
) -> list[Missed[object]]:
    """Make one part of a resume, read as the store does."""
    starts = [start_of(own, cursors.get(own.conversation_id)) for own in rest]
    changed = {
        start.own.conversation_id: sum(m.rev > start.floor for m in stored[start.own.conversation_id][1])
        for start in starts
        if start.is_by_rev
    }
    shares = share_out(starts, changed, {}, room)
    found = {}
    for start, quota in shares:
        rows = stored[start.own.conversation_id][1]
        ahead = [m for m in rows if (m.rev if start.is_by_rev else m.seq) > start.floor]
        ahead.sort(key=lambda m: m.rev if start.is_by_rev else m.seq)
        found[start.own.conversation_id] = ahead[: quota + 1]
    return list(gather(shares, found, {}, ANN))  # type: ignore[arg-type]  # any frame will do here


def test_a_conversation_that_does_not_fit_as_a_whole_waits_for_the_next_part() -> None:
    one, two = ConversationId("c1"), ConversationId("c2")
    owns = [Own(name, 3, 3, 0) for name in (one, two)]
    stored = {
        name: (own, [a_message(seq, 60_000) for seq in (1, 2, 3)]) for name, own in zip((one, two), owns, strict=True)
    }
    assert [missed.conversation_id for missed in resume_part(owns, stored, {}, 2000)] == [one]


def test_a_large_group_is_resumed_without_receipts() -> None:
    own = Own(HERE, 1, 1, 1)
    shares = share_out([start_of(own, 1)], {}, {}, 2000)
    for count, receipts in ((100, 200), (101, 0)):
        people = [a_member(UserId(f"u{number}"), 1, 1) for number in range(count)]
        (missed,) = gather(shares, {}, {HERE: people}, ANN)
        assert len(missed.receipts) == receipts


def seen(
    members: list[StoredMember], receipts: list[StoredReceipt], seq: int = 5, *, kind: str = "direct"
) -> tuple[str, str | None, str | None]:
    """Look at ann's message with a seq."""
    progress = Progress(Conversation(HERE, kind, 9, 9, members), receipts)
    shown = progress.view(a_message(seq, sender=ANN), ANN)
    return shown["status"], shown["delivered_at"], shown["read_at"]


def at(second: int) -> str:
    return f"1970-01-01T00:00:{second:02}.000Z"


def test_a_message_that_nobody_has_is_sent() -> None:
    assert seen([a_member(ANN, 9, 9), a_member(BEN, 4, 4)], []) == ("sent", None, None)


def test_the_time_of_a_status_is_that_of_the_first_receipt_that_covers_it() -> None:
    receipts = [
        StoredReceipt(BEN, "delivered", 4, 1_000),
        StoredReceipt(BEN, "delivered", 6, 2_000),
        StoredReceipt(BEN, "delivered", 8, 3_000),
        StoredReceipt(BEN, "read", 8, 4_000),
    ]
    assert seen([a_member(ANN), a_member(BEN, 8, 8)], receipts) == ("read", at(2), at(4))


def test_what_was_read_first_was_delivered_then() -> None:
    read = StoredReceipt(BEN, "read", 5, 1_000)
    assert seen([a_member(ANN), a_member(BEN, 5, 5)], [read]) == ("read", at(1), at(1))
    later = StoredReceipt(BEN, "delivered", 9, 2_000)
    assert seen([a_member(ANN), a_member(BEN, 9, 5)], [read, later]) == ("read", at(1), at(1))


def test_a_group_is_as_far_as_the_last_of_the_others() -> None:
    receipts = [
        StoredReceipt(BEN, "delivered", 9, 1_000),
        StoredReceipt(BEN, "read", 9, 2_000),
        StoredReceipt(CAT, "delivered", 9, 3_000),
    ]
    members = [a_member(ANN), a_member(BEN, 9, 9), a_member(CAT, 9, 0)]
    assert seen(members, receipts, kind="group") == ("delivered", at(3), None)


def test_a_message_to_nobody_else_stays_sent() -> None:
    assert seen([a_member(ANN, 9, 9), a_member(BEN, 9, 9, left=True)], [], kind="group") == ("sent", None, None)


def test_a_stranger_learns_less_than_a_former_member() -> None:
    conversation = Conversation(HERE, "group", 1, 1, [a_member(ANN), a_member(BEN, left=True)])
    admit(conversation, ANN)
    for user, code in ((BEN, Code.NOT_MEMBER), (CAT, Code.NOT_FOUND)):
        with pytest.raises(Refusal) as refused:
            admit(conversation, user)
        assert refused.value.code == code


def test_a_page_has_one_place_at_most() -> None:
    check_page(GetPage(ANN, HERE, 200, after_seq=0))
    for query in (GetPage(ANN, HERE, 201), GetPage(ANN, HERE, at_ms=1, around=MessageId("m"))):
        with pytest.raises(Refusal):
            check_page(query)
