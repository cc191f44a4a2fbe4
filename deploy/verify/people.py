"""Judges what people see of each other: ticks, queues, presence, typing. Pure, like the rest of the checker."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf

from deploy.verify.facts import Facts
from deploy.verify.history import (
    CaughtUp,
    Hello,
    Presence,
    Queue,
    Quiesced,
    Receipt,
    Status,
    Typed,
    Typing,
    Watch,
    Welcome,
)

TYPING_RIGHT_S = 10.0
HEARD_S = 2.0

# Of one member of a conversation: delivered or read.
Tick = tuple[str, str, str]


def ticks_are_right_after_hello(facts: Facts) -> Iterator[str]:
    """I6: between a welcome and its caught_up come all cursors that members had confirmed before the hello."""
    talks: defaultdict[str, list[str]] = defaultdict(list)
    for final in facts.all_finals():
        talks[final.user].append(final.conversation_id)
    confirmed: defaultdict[str, dict[Tick, int]] = defaultdict(dict)
    asked: defaultdict[int, list[tuple[str | None, dict[Tick, int]]]] = defaultdict(list)
    wanted: dict[int, dict[Tick, int]] = {}
    told: dict[int, dict[Tick, int]] = {}
    for event in facts.events:
        match event:
            case Receipt(observer=observer, user=user, connection=number):
                tick = (event.conversation_id, user, event.state)
                if observer == user:
                    _raise(confirmed[event.conversation_id], tick, event.up_to_seq)
                if number in told:
                    _raise(told[number], tick, event.up_to_seq)
            case Hello(user=user, connection=number):
                known = {tick: seq for talk in talks[user] for tick, seq in confirmed[talk].items()}
                asked[number].append((event.epoch, known))
            case Welcome(connection=number) if asked[number]:
                epoch, known = asked[number].pop(0)
                # In another epoch the newest cursors may be gone with the newest messages.
                wanted[number], told[number] = known if epoch in {None, event.epoch} else {}, {}
            case CaughtUp(connection=number) if number in wanted:
                yield from _missing(event.user, wanted.pop(number), told.pop(number))


def _missing(asker: str, wanted: dict[Tick, int], told: dict[Tick, int]) -> Iterator[str]:
    for tick, seq in wanted.items():
        (talk, user, state), seen = tick, told.get(tick, 0)
        if seen < seq:
            yield f"{asker} was told at hello that {user} had {state} {seen} of {talk}, who had confirmed {seq}"


def nothing_delivered_waits(facts: Facts) -> Iterator[str]:
    """I6: no queue names what its recipient had confirmed, or as not stored what was acked, before it was asked for."""
    confirmed: defaultdict[tuple[str, str], list[Receipt]] = defaultdict(list)
    for receipt in facts.of(Receipt):
        if receipt.observer == receipt.user:
            confirmed[receipt.conversation_id, receipt.user].append(receipt)
    stored = {(ack.user, ack.message_id): ack.t for ack in facts.acks.values()}
    for queue in facts.of(Queue):
        late: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for item in queue.items:
            if item.seq is None or item.to is None:
                if stored.get((queue.user, item.message_id), inf) < queue.begun:
                    yield f"{queue.user}'s queue has {item.message_id} as {item.status}, which was acked"
                continue
            told = confirmed[item.conversation_id, item.to]
            if any(receipt.up_to_seq >= item.seq and receipt.t < queue.begun for receipt in told):
                late[item.conversation_id, item.to].append(item.seq)
        for (talk, to), seqs in late.items():
            yield f"{queue.user}'s queue has {len(seqs)} of {talk} that {to} had confirmed ({seqs[0]} first)"


def what_waits_is_queued(facts: Facts) -> Iterator[str]:
    """I6: what was acked while its recipient was away, and is away still, is in the sender's queue."""
    connections = facts.connections
    for queue in facts.of(Queue):
        there = {(item.conversation_id, item.to, item.seq) for item in queue.items}
        missing: defaultdict[str, list[int]] = defaultdict(list)
        for (user, message_id), ack in facts.acks.items():
            send = facts.sends.get((user, message_id))
            if user != queue.user or send is None or ack.t >= queue.begun:
                continue
            here = (ack.conversation_id, send.to, ack.seq)
            if here not in there and connections.is_away(send.to, send.t, queue.t):
                missing[send.to].append(ack.seq)
        for to, seqs in missing.items():
            yield f"{queue.user}'s queue lacks {len(seqs)} for {to}, who is away ({seqs[0]} first)"


def statuses_are_of_own_messages(facts: Facts) -> Iterator[str]:
    """I7: what becomes of a message is told to its sender, and about a recipient, in bounds."""
    own = {(ack.user, ack.message_id) for ack in facts.acks.values()}
    own |= {(accepted.user, accepted.message_id) for accepted in facts.accepted}
    foreign = {
        (final.user, row.message_id) for final in facts.all_finals() for row in final.rows if row.sender != final.user
    }
    for status in facts.of(Status):
        what = f"{status.observer} was told that {status.message_id} is {status.status}"
        if (status.observer, status.message_id) in foreign - own:
            yield f"{what}, which somebody else sent"
        if status.status not in {"retrying", "failed"}:
            continue
        if status.user == status.observer:
            yield f"{what} for its own sender"
        if not 0 <= (status.retry_count or 0) <= (status.max_retries or 0):
            yield f"{what} after {status.retry_count} of {status.max_retries} tries"
        finals = facts.finals.get(status.conversation_id)
        if finals is not None and (status.up_to_seq or 0) > len(facts.canonical[status.conversation_id]):
            yield f"{what} up to {status.up_to_seq}, beyond the last message"


def strangers_see_nothing(facts: Facts) -> Iterator[str]:
    """I7: no presence without a conversation in common, no typing that was meant for others."""
    acquainted = _acquainted(facts)
    for seen in facts.of(Presence):
        shows = seen.status != "offline" or seen.last_seen is not None
        if shows and seen.user not in acquainted[seen.observer]:
            yield f"{seen.observer} saw {seen.user} {seen.status}, last seen {seen.last_seen}, and shares nothing"
    meant = {(typed.user, typed.to) for typed in facts.of(Typed)}
    for heard in facts.of(Typing):
        if (heard.user, heard.observer) not in meant:
            yield f"{heard.observer} saw {heard.user} type in {heard.conversation_id}, which was for somebody else"


def presence_is_right(facts: Facts) -> Iterator[str]:
    """I8: at rest everybody who is live sees all watched users as they are, on each connection."""
    connections = facts.connections
    rested = {event.user for event in facts.of(Quiesced)}
    views: defaultdict[int, dict[str, str | None]] = defaultdict(dict)
    for event in facts.events:
        match event:
            case Watch(connection=number, users=users):
                for user in users:
                    views[number].setdefault(user, None)
            case Presence(connection=number, user=user, status=status):
                views[number][user] = status
    acquainted = _acquainted(facts)
    for number, view in views.items():
        connection = connections.numbered.get(number)
        if connection is None or connection.ended < inf or connection.user not in rested:
            continue
        observer = connection.user
        for user, seen in view.items():
            right = connections.status(user) if user in acquainted[observer] else "offline"
            if seen is None:
                yield f"{observer} watches {user} and was told nothing"
            elif seen != right:
                yield f"{observer} sees {user} {seen}, who is {right}"


def typing_ends(facts: Facts) -> Iterator[str]:
    """I8: nobody is shown as typing 10 s after the last start, by `stop` or by the time it lives."""
    started: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for typed in facts.of(Typed):
        if typed.state == "start":
            started[typed.user, typed.to].append(typed.t)
    heard: defaultdict[tuple[str, int, str], list[Typing]] = defaultdict(list)
    for typing in facts.of(Typing):
        heard[typing.observer, typing.connection, typing.user].append(typing)
    for (observer, _, user), shown in heard.items():
        for at, typing in enumerate(shown):
            starts = [t for t in started[user, observer] if t <= typing.t]
            if typing.state == "stop" or not starts:
                continue
            follower = shown[at + 1].t if at + 1 < len(shown) else inf
            late = min(typing.t + typing.ttl_s, follower) - starts[-1]
            if late > TYPING_RIGHT_S:
                yield f"{observer} sees {user} type {late:.1f} s after the last start"


def typing_is_heard(facts: Facts) -> Iterator[str]:
    """I8: where nothing was broken for 10 s, who is live hears a start at once."""
    connections = facts.connections
    heard: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for typing in facts.of(Typing):
        if typing.state == "start":
            heard[typing.observer, typing.user].append(typing.t)
    last = max((event.t for event in facts.events), default=0.0)
    for typed in facts.of(Typed):
        until = typed.t + HEARD_S
        if typed.state == "stop" or until > last or not connections.is_calm(typed.t - TYPING_RIGHT_S, until):
            continue
        both = all(connections.is_live(user, typed.t - HEARD_S, until) for user in (typed.user, typed.to))
        if both and not any(typed.t <= t <= until for t in heard[typed.to, typed.user]):
            yield f"{typed.to} did not hear within {HEARD_S:.0f} s that {typed.user} types"


def _acquainted(facts: Facts) -> defaultdict[str, set[str]]:
    friends: defaultdict[str, set[str]] = defaultdict(set)
    for final in facts.all_finals():
        friends[final.user].add(final.peer)
    return friends


def _raise(ticks: dict[Tick, int], tick: Tick, seq: int) -> None:
    ticks[tick] = max(seq, ticks.get(tick, 0))
