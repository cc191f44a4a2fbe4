"""History's decisions about what waits and what is counted: no item twice or never, whatever the bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.history.domain import listing, waiting
from services.history.domain.listing import Head, Unread, countable, readable
from services.history.domain.waiting import Behind, Entry, OwnMessage, Place, Waiting, attempts_each
from shared.contracts.ids import ConversationId, MessageId, UserId, Username
from shared.contracts.queries import GetUndelivered, Undelivered

ANN = UserId("ann")

Talk = tuple[list[bool], dict[UserId, int]]
"""Of each message of a conversation whether ann wrote it, and how far each of the others is."""


@st.composite
def talks(draw: st.DrawFn) -> dict[ConversationId, Talk]:
    made: dict[ConversationId, Talk] = {}
    for number in range(draw(st.integers(0, 5))):
        own = draw(st.lists(st.booleans(), max_size=12))
        people = draw(st.integers(1, 4))
        made[ConversationId(f"c{number}")] = (
            own,
            {UserId(f"u{person}"): draw(st.integers(0, len(own))) for person in range(people)},
        )
    return made


def a_page(stored: dict[ConversationId, Talk], query: GetUndelivered) -> tuple[list[Undelivered], Place | None]:
    """Make one page, read as the store does."""
    start = query.after[0] if query.after else ConversationId("")
    behind = []
    for name, (own, others) in stored.items():
        lacking = [delivered for delivered in others.values() if delivered < len(own)]
        if name >= start and lacking:
            behind.append(Behind(name, len(own), min(lacking), len(lacking)))
    stretches, end = waiting.stretches(behind[: waiting.BEHIND + 1], query.after)
    assert sum(stretch.ceiling - stretch.floor for stretch in stretches) <= waiting.LOOKED_AT
    messages = [
        OwnMessage(stretch.conversation_id, seq, MessageId(f"{stretch.conversation_id}-{seq}"))
        for stretch in stretches
        for seq in range(stretch.floor + 1, stretch.ceiling + 1)
        if stored[stretch.conversation_id][0][seq - 1]
    ][: query.limit + 1]
    recipients = {
        name: [Waiting(user, Username(user), delivered, None) for user, delivered in reversed(others.items())]
        for name, (_, others) in stored.items()
    }
    page = waiting.undelivered(query, messages, recipients, end)
    return page.items, page.next


@given(talks(), st.integers(1, 5), st.integers(1, 8), st.integers(1, 3), st.integers(0, 4))
def test_pages_of_what_waits_make_the_whole_whatever_they_look_at(
    stored: dict[ConversationId, Talk], limit: int, looked_at: int, behind: int, members: int
) -> None:
    whole = [
        (name, seq, user)
        for name, (own, others) in stored.items()
        for seq, is_own in enumerate(own, start=1)
        for user, delivered in others.items()
        if is_own and delivered < seq
    ]
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(waiting, "LOOKED_AT", looked_at)
        bounds.setattr(waiting, "BEHIND", behind)
        bounds.setattr(waiting, "WAITING_MEMBERS", members)
        told: list[Place] = []
        after: Place | None = None
        for _ in range(500):
            items, after = a_page(stored, GetUndelivered(ANN, limit, after))
            assert len(items) <= limit
            told += [(item.conversation_id, item.seq, item.to_id) for item in items]
            if after is None:
                break
        assert told == whole


def a_head(name: str, unread: int, kind: str = "direct") -> Head:
    return Head(ConversationId(name), kind, 100 + unread, 1, 100, 100)


def test_the_shortest_stretches_are_counted_and_the_rest_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "COUNTED_MESSAGES", 10)
    counted, estimated = countable([a_head("a", 9), a_head("b", 0), a_head("c", 7), a_head("d", 3)])
    assert [head.conversation_id for head in counted] == ["d", "c"]
    assert estimated == {"a": Unread(9, 101)}


def test_at_least_one_conversation_is_read_however_many_members_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_MEMBERS", 6)
    heads = [a_head(name, 0, "group") for name in "abc"]
    for sizes, count in (((9, 1, 1), 1), ((3, 3, 1), 2), ((1, 1, 1), 3), ((2, 2, 2), 3)):
        found = readable(heads, dict(zip((head.conversation_id for head in heads), sizes, strict=True)))
        assert len(found) == count


def test_attempts_are_shared_out_among_recipients() -> None:
    assert [attempts_each(count) for count in (0, 1, 20, 40, 100_000)] == [100, 100, 100, 50, 1]


@pytest.mark.parametrize(
    ("entry", "seq", "told"),
    [
        (None, 5, ("sent", 0, None, "")),
        (Entry("waiting", 0, 9, 77, ""), 5, ("sent", 0, 77, "")),
        (Entry("waiting", 2, 9, 77, ""), 5, ("retrying", 2, 77, "")),
        (Entry("failed", 3, 9, 77, "gone"), 5, ("failed", 3, None, "gone")),
        (Entry("failed", 3, 9, 77, "gone"), 10, ("sent", 0, None, "")),
        (Entry("waiting", 2, 4, 77, ""), 5, ("sent", 0, None, "")),
    ],
)
def test_an_entry_counts_for_the_messages_that_it_is_for(
    entry: Entry | None, seq: int, told: tuple[str, int, int | None, str]
) -> None:
    name = ConversationId("c")
    recipient = Waiting(UserId("ben"), Username("ben"), 4, entry)
    page = waiting.undelivered(GetUndelivered(ANN), [OwnMessage(name, seq, MessageId("m"))], {name: [recipient]}, None)
    (item,) = page.items
    assert (item.status, item.retry_count, item.next_retry_at_ms, item.reason) == told
