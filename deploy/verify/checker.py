"""Judges a history: pure, from observations to violations, rule by rule."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from deploy.verify import people
from deploy.verify.facts import Facts
from deploy.verify.history import (
    Ack,
    CaughtUp,
    Hello,
    Observation,
    Quiesced,
    Read,
    Receipt,
    Receive,
    Resync,
    Row,
    Send,
    Welcome,
)

SHOWN = 5


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and where."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


def check(events: Iterable[Observation]) -> list[Violation]:
    """Return everything in the history that breaks a promise; an empty list is a pass."""
    facts = Facts(events)
    rules = (
        ("I1", nothing_acked_is_lost),
        ("I2", exactly_once),
        ("I3", one_total_order),
        ("I4", order_of_a_sender),
        ("I4", order_within_a_connection),
        ("I4", reads_show_what_was_acked),
        ("I4", pages_are_the_history),
        ("I5", receipts_are_true),
        ("I5", receipts_converge),
        ("I6", everything_arrives),
        ("I6", people.ticks_are_right_after_hello),
        ("I6", people.nothing_delivered_waits),
        ("I6", people.what_waits_is_queued),
        ("I7", people.statuses_are_of_own_messages),
        ("I7", people.strangers_see_nothing),
        ("I8", people.presence_is_right),
        ("I8", people.typing_ends),
        ("I8", people.typing_is_heard),
        ("I10", gaps_are_explicit),
    )
    return [Violation(name, what) for name, rule in rules for what in rule(facts)]


def nothing_acked_is_lost(facts: Facts) -> Iterator[str]:
    """I1: every ack is exactly that row in the final history of every member."""
    lost: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for (user, _), ack in facts.acks.items():
        finals = facts.finals.get(ack.conversation_id, {})
        if user not in finals:
            yield f"{user} has acks in {ack.conversation_id}, but no final history of it"
        for reader, final in finals.items():
            row = facts.rows(final).get(ack.seq)
            if row is None or row.message_id != ack.message_id:
                lost[ack.conversation_id, reader].append(ack.seq)
    for (conversation_id, reader), seqs in lost.items():
        kept = [row.seq for row in facts.finals[conversation_id][reader].rows]
        where = _place(sorted(set(seqs)), kept)
        yield f"{len(seqs)} acked lost from {conversation_id} as {reader} reads it: {where}"
    stored = {row.message_id for final in facts.all_finals() for row in final.rows}
    for accepted in facts.accepted:
        if accepted.message_id not in stored:
            yield f"{accepted.user}'s {accepted.id} was answered 202 and is nowhere"


def exactly_once(facts: Facts) -> Iterator[str]:
    """I2: at most one row per send, equal acks, nothing that was never sent or was refused."""
    for (user, message_id), acks in facts.all_acks.items():
        if len({(ack.conversation_id, ack.seq, ack.message_id) for ack in acks}) > 1:
            yield f"{user}'s {message_id} got different acks"
    sent = Counter((send.user, send.digest) for send in facts.sends.values())
    refused = {(send.user, send.digest) for send in facts.refused_sends()}
    stored = Counter((row.sender, row.digest) for rows in facts.canonical.values() for row in rows)
    for key, count in stored.items():
        if key not in sent:
            yield f"a message of {key[0]} was never sent with this content ({key[1]})"
        elif count > sent[key]:
            yield f"a message of {key[0]} is there {count} times ({key[1]})"
        elif key in refused:
            yield f"a message of {key[0]} was refused for good and is there ({key[1]})"
    for key, ack in facts.acks.items():
        row = facts.row(ack.conversation_id, ack.seq)
        send = facts.sends.get(key)
        if send is None:
            yield f"{key[0]}'s {key[1]} was acked and never sent"
        elif row is not None and row.message_id == ack.message_id and row.digest != send.digest:
            yield f"{key[0]}'s {key[1]} has another content than was sent"


def one_total_order(facts: Facts) -> Iterator[str]:
    """I3: all members read the same, seq is dense, every receive and page agrees."""
    for conversation_id, finals in facts.finals.items():
        for final in finals.values():
            seqs = [row.seq for row in final.rows]
            if seqs != list(range(1, len(seqs) + 1)):
                yield f"{conversation_id} as {final.user} reads it is not dense: {_gaps(seqs)}"
            if final.rows != facts.canonical[conversation_id]:
                yield f"{final.user} reads {conversation_id} differently from the other members"
    for event in facts.of(Receive):
        seen = Row(event.seq, event.message_id, event.sender, event.digest)
        if event.conversation_id in facts.finals and seen != facts.row(event.conversation_id, event.seq):
            yield f"{event.user} received another message as {event.conversation_id}/{event.seq}"
    for read in facts.of(Read):
        for row in read.rows:
            if read.conversation_id in facts.finals and row != facts.row(read.conversation_id, row.seq):
                yield f"{read.user} read another message as {read.conversation_id}/{row.seq}"


def order_of_a_sender(facts: Facts) -> Iterator[str]:
    """I4: what was sent after an ack has a higher seq than what was acked."""
    mine: defaultdict[tuple[str, str], list[tuple[Send, int, float]]] = defaultdict(list)
    for key, ack in facts.acks.items():
        if key in facts.sends:
            mine[ack.user, ack.conversation_id].append((facts.sends[key], ack.seq, ack.t))
    for (user, conversation_id), sends in mine.items():
        for earlier, later in pairwise(sorted(sends, key=lambda entry: entry[0].t)):
            if earlier[2] <= later[0].t and earlier[1] >= later[1]:
                yield (
                    f"{user} sent {later[0].id} after {earlier[0].id}, but {conversation_id} has "
                    f"them as {later[1]} and {earlier[1]}"
                )


def order_within_a_connection(facts: Facts) -> Iterator[str]:
    """I4: what comes live for the first time comes in rising order on each connection."""
    highest: dict[tuple[int, str], int] = {}
    held: set[tuple[str, str, int]] = set()
    for event in facts.events:
        if isinstance(event, Ack):
            held.add((event.user, event.conversation_id, event.seq))
        if not isinstance(event, Receive):
            continue
        message = (event.user, event.conversation_id, event.seq)
        line = (event.connection, event.conversation_id)
        if event.how == "live" and message not in held:
            if event.seq < highest.get(line, 0):
                yield (
                    f"{event.user} got {event.conversation_id}/{event.seq} live after "
                    f"{highest[line]} on connection {event.connection}"
                )
            highest[line] = max(event.seq, highest.get(line, 0))
        held.add(message)


def reads_show_what_was_acked(facts: Facts) -> Iterator[str]:
    """I4: a newest page that was asked for after an ack shows that message."""
    acks = defaultdict(list)
    for ack in facts.acks.values():
        acks[ack.conversation_id].append(ack)
    for read in facts.of(Read):
        if not read.newest:
            continue
        seqs = {row.seq for row in read.rows}
        lowest = min(seqs, default=0) if read.has_more else 0
        for ack in acks[read.conversation_id]:
            if ack.t < read.begun and ack.seq >= lowest and ack.seq not in seqs:
                yield f"{read.user} did not read {read.conversation_id}/{ack.seq} after its ack"


def pages_are_the_history(facts: Facts) -> Iterator[str]:
    """I4: the pages of one walk have no overlap and no hole, while writes go on."""
    walks: defaultdict[tuple[str, str, str], list[Read]] = defaultdict(list)
    for read in facts.of(Read):
        if read.walk is not None:
            walks[read.walk, read.user, read.conversation_id].append(read)
    for (_, user, conversation_id), pages in walks.items():
        seqs = [row.seq for page in reversed(pages) for row in page.rows]
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"the pages of {conversation_id} that {user} walked: {_gaps(seqs)}"


def receipts_are_true(facts: Facts) -> Iterator[str]:
    """I5: they never fall, name no more than there is, and come from members."""
    highest: dict[tuple[str, str, str, str], int] = {}
    for receipt in facts.of(Receipt):
        where = f"{receipt.state} of {receipt.user} in {receipt.conversation_id}"
        key = (receipt.observer, receipt.conversation_id, receipt.user, receipt.state)
        if receipt.up_to_seq < highest.get(key, 0):
            yield f"{receipt.observer} saw {where} fall: {highest[key]}, {receipt.up_to_seq}"
        highest[key] = max(receipt.up_to_seq, highest.get(key, 0))
        finals = facts.finals.get(receipt.conversation_id)
        if finals is None:
            continue
        if receipt.up_to_seq > len(facts.canonical[receipt.conversation_id]):
            yield f"{receipt.observer} saw {where} beyond the last message: {receipt.up_to_seq}"
        if receipt.user not in finals:
            yield f"{receipt.observer} saw {where}, who is no member"
    for final in facts.all_finals():
        if not final.peer_read_seq <= final.peer_delivered_seq <= len(final.rows):
            yield (
                f"{final.peer} in {final.conversation_id} read {final.peer_read_seq}, got "
                f"{final.peer_delivered_seq} of {len(final.rows)}"
            )


def receipts_converge(facts: Facts) -> Iterator[str]:
    """I5: at rest a sender sees that the peer has got everything, as the history says too."""
    last: dict[tuple[str, str, str], int] = {}
    for receipt in facts.of(Receipt):
        # What is read is delivered, told or not.
        key = (receipt.observer, receipt.conversation_id, receipt.user)
        last[key] = max(receipt.up_to_seq, last.get(key, 0))
    rested = {event.user for event in facts.of(Quiesced)}
    for final in facts.all_finals():
        if not {final.user, final.peer} <= rested:
            continue
        due = max((row.seq for row in final.rows if row.sender != final.peer), default=0)
        seen = last.get((final.user, final.conversation_id, final.peer), 0)
        if seen < due:
            yield (f"{final.user} last saw {final.peer} at {seen} of {due} in {final.conversation_id}")
        if final.peer_delivered_seq < due:
            yield (f"the history says {final.peer} got {final.peer_delivered_seq} of {due} in {final.conversation_id}")


def everything_arrives(facts: Facts) -> Iterator[str]:
    """I6: whoever came to rest holds every message of the own conversations."""
    held: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for event in facts.of(Receive):
        held[event.user, event.conversation_id].add(event.seq)
    for ack in facts.acks.values():
        held[ack.user, ack.conversation_id].add(ack.seq)
    rested = {event.user for event in facts.of(Quiesced)}
    for final in facts.all_finals():
        missing = [
            row.seq
            for row in final.rows
            if row.seq not in held[final.user, final.conversation_id] and row.sender != final.user
        ]
        if missing and final.user in rested:
            where = _place(missing, sorted(held[final.user, final.conversation_id]))
            yield f"{final.user} never got {len(missing)} of {final.conversation_id}: {where}"


def gaps_are_explicit(facts: Facts) -> Iterator[str]:
    """I10: a cursor that the server does not know gets a resync or another epoch, never silence."""
    hello: dict[int, Hello] = {}
    epoch: dict[int, str] = {}
    told: defaultdict[int, set[str | None]] = defaultdict(set)
    for event in facts.events:
        match event:
            case Hello(connection=connection):
                hello[connection] = event
                told[connection].clear()
            case Welcome(connection=connection):
                epoch[connection] = event.epoch
            case Resync(connection=connection):
                told[connection].add(event.conversation_id)
            case CaughtUp(connection=connection) if connection in hello:
                asked = hello[connection]
                if asked.epoch not in {None, epoch.get(connection)}:
                    continue
                for conversation_id, cursor in asked.cursors.items():
                    now = event.cursors.get(conversation_id, 0)
                    silent = not told[connection] & {conversation_id, None}
                    if now < cursor and conversation_id not in event.more and silent:
                        yield (
                            f"{event.user} came with {conversation_id} at {cursor} and was set to {now} without a word"
                        )


def _place(lost: list[int], kept: list[int]) -> str:
    """Say where the lost seqs lie among those that are there."""
    shown = ", ".join(map(str, lost[:SHOWN])) + (", …" if len(lost) > SHOWN else "")
    if not kept:
        return f"all ({shown})"
    if lost[0] > kept[-1]:
        return f"the suffix ({shown})"
    if lost[-1] < kept[0]:
        return f"the prefix ({shown})"
    return f"in the middle ({shown})"


def _gaps(seqs: list[int]) -> str:
    wrong = [(a, b) for a, b in pairwise([0, *seqs]) if b != a + 1]
    return ", ".join(f"{a} then {b}" for a, b in wrong[:SHOWN])
