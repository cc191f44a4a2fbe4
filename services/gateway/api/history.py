"""Reading: pages with somebody or of a conversation, and single messages with their status."""

from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Raw, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.paging import (
    DEFAULT_PAGE,
    After,
    Around,
    AroundSeq,
    At,
    Before,
    PageSize,
    Wanted,
    links,
    read_message_id,
    read_place,
    read_time_ms,
    wanted,
)
from services.gateway.api.problems import answers
from services.gateway.api.reads import Reads
from services.gateway.api.shapes import (
    HistoryPage,
    MessageItem,
    MessageList,
    PeerCursor,
    Status,
    answer,
    peer_cursor,
)
from services.gateway.domain import User, fold_username
from services.gateway.store import Accounts
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, MessageId, UserId, Username, direct_conversation_id, is_id
from shared.contracts.queries import GetMessage, GetPage, Page
from shared.contracts.subjects import MESSAGE, PAGE

_PAGE_REFUSALS: Final = (Code.INVALID, Code.UNAUTHENTICATED, Code.NOT_FOUND)


class SeenMessage(Struct):
    """The fields of a message that the gateway itself looks at."""

    message_id: MessageId
    conversation_id: ConversationId
    seq: int
    sender: Username
    status: Status
    delivered_at: str | None = None
    read_at: str | None = None


class _Found(Struct):
    """The reply `Found`, with a raw `null` where there is none (msgspec has no union with `Raw`)."""

    message: Raw


@get(
    "/messages/history/{username:str}",
    tags=["history"],
    responses=answers(*_PAGE_REFUSALS, documents={200: HistoryPage[MessageItem]}),
)
async def get_history(  # noqa: PLR0913 - a parameter for each place
    request: Asking,
    username: FromPath[str],
    accounts: NamedDependency[Accounts],
    reads: NamedDependency[Reads],
    *,
    page_size: PageSize = DEFAULT_PAGE,
    before: Before = None,
    after: After = None,
    around: Around = None,
    at: At = None,
    around_seq: AroundSeq = None,
) -> Response[bytes]:
    """Read the conversation with somebody: the newest messages, or those at a place."""
    return await _with_peer(
        request, username, accounts, reads, wanted(page_size, before, after, around, at, around_seq)
    )


@get(
    "/messages/load-older/{username:str}",
    tags=["history"],
    responses=answers(*_PAGE_REFUSALS, documents={200: HistoryPage[MessageItem]}),
)
async def load_older(
    request: Asking,
    username: FromPath[str],
    accounts: NamedDependency[Accounts],
    reads: NamedDependency[Reads],
    page_size: PageSize = DEFAULT_PAGE,
    before: Before = None,
) -> Response[bytes]:
    """Read what is older than a place in the conversation with somebody."""
    return await _with_peer(request, username, accounts, reads, Wanted(page_size, before=before), is_load_older=True)


@get(
    "/api/v1/conversations/{conversation_id:str}/messages",
    tags=["history"],
    responses=answers(*_PAGE_REFUSALS, documents={200: MessageList[MessageItem]}),
)
async def list_messages(
    request: Asking,
    conversation_id: FromPath[str],
    reads: NamedDependency[Reads],
    *,
    page_size: PageSize = DEFAULT_PAGE,
    before: Before = None,
    after: After = None,
    around: Around = None,
    at: At = None,
    around_seq: AroundSeq = None,
) -> Response[bytes]:
    """Read a conversation of mine: the newest messages, or those at a place."""
    asked = wanted(page_size, before, after, around, at, around_seq)
    found = await _page(reads, request.user.user_id, conversation(conversation_id), asked)
    if not any(member.user_id == request.user.user_id for member in found.members):
        raise Refusal(Code.NOT_FOUND, "There is no such conversation.")
    path = f"/api/v1/conversations/{found.conversation_id}/messages"
    leads = links(found, asked, older=path, newer=path)
    return answer(
        MessageList(
            items=found.messages,
            next=leads.next,
            prev=leads.prev,
            has_more=leads.has_more,
            first_unread_seq=found.first_unread_seq,
            members=[peer_cursor(member) for member in found.members if not member.left],
        ),
        headers=leads.headers,
    )


@get(
    "/api/v1/messages/{message_id:str}",
    tags=["history"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, Code.NOT_FOUND, documents={200: MessageItem}),
)
async def get_message(request: Asking, message_id: FromPath[str], reads: NamedDependency[Reads]) -> Response[bytes]:
    """Read one message of a conversation of mine."""
    found = await _message(reads, request.user.user_id, read_message_id("message_id", message_id))
    if found is None:
        raise no_such_message()
    return answer(found)


HANDLERS: Final[list[HTTPRouteHandler]] = [get_history, load_older, list_messages, get_message]


async def peer_of(accounts: Accounts, asker: UserId, username: str) -> User:
    """Find the other person of a direct conversation.

    Raises:
        Refusal: `not_found`, or `invalid` for oneself.
    """
    name = fold_username(username)
    peer = None if name is None else await accounts.find_user(name)
    if peer is None:
        raise Refusal(Code.NOT_FOUND, f"No user is called {name or 'that'}.")
    if peer.id == asker:
        raise Refusal(Code.INVALID, "Nobody talks to oneself here.", fields={"username": "must be somebody else"})
    return peer


def conversation(text: str) -> ConversationId:
    """Take a conversation's id from a path.

    Raises:
        Refusal: `not_found`: nothing can have such an id.
    """
    if not is_id(text):
        raise Refusal(Code.NOT_FOUND, "There is no such conversation.")
    return ConversationId(text)


async def seen_message(reads: Reads, asker: UserId, message_id: MessageId) -> SeenMessage | None:
    """Look at a message of a conversation of one's own; None where there is none of that id."""
    found = await _message(reads, asker, message_id)
    return None if found is None else msgspec.json.decode(found, type=SeenMessage)


def no_such_message() -> Refusal:
    """Refuse what does not exist, or not for whoever asks."""
    return Refusal(Code.NOT_FOUND, "There is no such message.")


async def _with_peer(
    request: Asking,
    username: str,
    accounts: Accounts,
    reads: Reads,
    asked: Wanted,
    *,
    is_load_older: bool = False,
) -> Response[bytes]:
    asker = request.user.user_id
    peer = await peer_of(accounts, asker, username)
    found = await _page(reads, asker, direct_conversation_id(asker, peer.id), asked)
    older = "load-older" if is_load_older else "history"
    leads = links(
        found, asked, older=f"/messages/{older}/{peer.username}/", newer=f"/messages/history/{peer.username}/"
    )
    shown = next((member for member in found.members if member.user_id == peer.id), None)
    return answer(
        HistoryPage(
            conversation_id=found.conversation_id,
            messages=found.messages,
            next=leads.next,
            prev=leads.prev,
            has_more=leads.has_more,
            first_unread_seq=found.first_unread_seq,
            peer=PeerCursor(peer.username, 0, 0, None, None) if shown is None else peer_cursor(shown),
        ),
        headers=leads.headers,
    )


async def _page(reads: Reads, asker: UserId, conversation_id: ConversationId, asked: Wanted) -> Page[Raw]:
    places: dict[str, Any] = {}
    if asked.before is not None:
        place = read_place("before", asked.before)
        places = {"before_seq": place} if isinstance(place, int) else {"before_id": place}
    elif asked.after is not None:
        place = read_place("after", asked.after)
        places = {"after_seq": place if isinstance(place, int) else await _seq_of(reads, asker, conversation_id, place)}
    elif asked.around is not None:
        places = {"around": read_message_id("around", asked.around)}
    elif asked.at is not None:
        places = {"at_ms": read_time_ms(asked.at)}
    elif asked.around_seq is not None:
        places = {"around_seq": asked.around_seq}
    return await reads.ask(PAGE, GetPage(asker, conversation_id, asked.limit, **places), Page[Raw])


async def _seq_of(reads: Reads, asker: UserId, conversation_id: ConversationId, message_id: MessageId) -> int:
    seen = await seen_message(reads, asker, message_id)
    if seen is None or seen.conversation_id != conversation_id:
        raise no_such_message()
    return seen.seq


async def _message(reads: Reads, asker: UserId, message_id: MessageId) -> Raw | None:
    """Read a message as it came."""
    found = (await reads.ask(MESSAGE, GetMessage(asker, message_id), _Found)).message
    return None if bytes(found) == b"null" else found
