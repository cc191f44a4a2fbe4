"""What may be asked: a question that contradicts itself or is out of range is refused before anything is read."""

from collections.abc import Sequence
from typing import Final

from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import MessageId, UserId
from shared.contracts.queries import GetConversations, GetPage, GetUndelivered, Sync

PAGE_MESSAGES: Final = 200
ASKED_OUTCOMES: Final = 2000
ASKED_PEOPLE: Final = 500
_GREATEST: Final = 2**63 - 1


def check_page(query: GetPage) -> None:
    """Refuse a question for a page that contradicts itself or is out of range.

    Raises:
        Refusal: `invalid`.
    """
    places = (query.before_seq, query.after_seq, query.around, query.at_ms, query.before_id, query.around_seq)
    if sum(place is not None for place in places) > 1:
        raise Refusal(Code.INVALID, "Give one place to read from, not several.")
    _check_limit(query.limit)
    _check_numbers(query.before_seq, query.after_seq, query.at_ms, query.around_seq)


def check_sync(query: Sync) -> None:
    """Refuse a sync that contradicts itself or is out of range.

    Raises:
        Refusal: `invalid`.
    """
    if (query.after_rev is None) == (query.before_seq is None):
        raise Refusal(Code.INVALID, "Give either after_rev or before_seq.")
    _check_limit(query.limit)
    _check_numbers(query.after_rev, query.before_seq)


def check_outcomes(asked: Sequence[MessageId]) -> None:
    """Refuse to look for more messages than fit into a reply.

    Raises:
        Refusal: `invalid`.
    """
    if len(asked) > ASKED_OUTCOMES:
        raise Refusal(Code.INVALID, f"Ask for at most {ASKED_OUTCOMES} messages at once.")


def check_conversations(query: GetConversations) -> None:
    """Refuse a question for a page of the list that is out of range.

    Raises:
        Refusal: `invalid`.
    """
    _check_limit(query.limit)
    _check_numbers(query.before and query.before[0])


def check_undelivered(query: GetUndelivered) -> None:
    """Refuse a question for a page of what waits that is out of range.

    Raises:
        Refusal: `invalid`.
    """
    _check_limit(query.limit)
    _check_numbers(query.after and query.after[1])


def check_acquainted(asked: Sequence[UserId]) -> None:
    """Refuse to look for more users than a reply should take.

    Raises:
        Refusal: `invalid`.
    """
    if len(asked) > ASKED_PEOPLE:
        raise Refusal(Code.INVALID, f"Ask for at most {ASKED_PEOPLE} users at once.")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_MESSAGES:
        raise Refusal(Code.INVALID, f"limit goes from 1 to {PAGE_MESSAGES}.")


def _check_numbers(*numbers: int | None) -> None:
    if not all(number is None or 0 <= number <= _GREATEST for number in numbers):
        raise Refusal(Code.INVALID, "A sequence, revision or time is out of range.")
