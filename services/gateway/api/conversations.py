"""Conversations: the list of mine, one of them, and what I keep about it for myself."""

from typing import Annotated, Final, Generic, Literal, NamedTuple, TypeVar

from litestar import Response, get, patch
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Raw, Struct

from services.gateway.api.asking import Asking
from services.gateway.api.history import conversation
from services.gateway.api.paging import DEFAULT_PAGE, MAX_SEQ, Cursor, PageSize, lead_on, read_cursor, write_cursor
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.api.reads import Reads
from services.gateway.api.shapes import MessageItem, answer
from services.gateway.commands.commands import Commands
from services.gateway.settings import Settings
from services.gateway.store import Belongings
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ID_PATTERN, ConversationId, Username
from shared.contracts.queries import Conversations, GetConversation, GetConversations
from shared.contracts.subjects import CONVERSATION, CONVERSATIONS
from shared.runtime import clock

C = TypeVar("C")

Archived = Annotated[bool | None, QueryParameter(description="Only those that are archived, or are not")]
Draft = Annotated[str, Meta(description="What is not sent yet; nobody else sees it", examples=["see you at"])]
_REFUSALS: Final = (Code.INVALID, Code.UNAUTHENTICATED, Code.NOT_FOUND)


class ConversationMember(Struct, frozen=True):
    """A member as another member sees it."""

    username: Annotated[Username, Meta(examples=["ben"])]
    display_name: Annotated[str, Meta(examples=["Ben"])]
    delivered_seq: int
    read_seq: int


class ConversationItem(Struct, frozen=True, kw_only=True):
    """A conversation as I see it; `unread` messages are those of others behind `read_seq`.

    `peer`: the other one where it is direct. `blocked`: I block the peer.
    """

    conversation_id: ConversationId
    kind: Literal["direct", "group"]
    rev: int
    last_seq: int
    last_message: MessageItem | None
    unread: int
    first_unread_seq: int | None
    delivered_seq: int
    read_seq: int
    members: list[ConversationMember]
    peer: ConversationMember | None = None
    muted: bool
    pinned: bool
    archived: bool
    draft: Draft
    blocked: bool


class ConversationList(Struct, Generic[C], frozen=True):
    """A page of my conversations, the one with the newest message first."""

    items: list[C]
    next: str | None
    prev: str | None = None


class MySettings(Struct, frozen=True):
    """What I keep about a conversation; nobody else sees it."""

    muted: bool
    pinned: bool
    archived: bool
    draft: Draft


class MySettingsChange(Struct, frozen=True):
    """What is to be another; at least one of them. An empty draft clears it."""

    muted: bool | None = None
    pinned: bool | None = None
    archived: bool | None = None
    draft: Draft | None = None


class _Place(NamedTuple):
    """What a cursor holds: the time of the last message (Unix ms) of a conversation."""

    at_ms: Annotated[int, Meta(ge=0, le=MAX_SEQ)]
    conversation_id: Annotated[ConversationId, Meta(pattern=rf"\A{ID_PATTERN}\Z")]


class _Found(Struct):
    """The reply `Found`, with a raw `null` where there is none (msgspec has no union with `Raw`)."""

    message: Raw


@get(
    "/api/v1/conversations",
    tags=["conversations"],
    responses=answers(Code.INVALID, Code.UNAUTHENTICATED, documents={200: ConversationList[ConversationItem]}),
)
async def list_conversations(
    request: Asking,
    reads: NamedDependency[Reads],
    *,
    page_size: PageSize = DEFAULT_PAGE,
    archived: Archived = None,
    cursor: Cursor = None,
) -> Response[bytes]:
    """List my conversations, the one with the newest message first."""
    before = None if cursor is None else read_cursor(cursor, _Place)
    question = GetConversations(request.user.user_id, page_size, before, archived)
    found = await reads.ask(CONVERSATIONS, question, Conversations[Raw])
    on = None if found.next is None else write_cursor(_Place(*found.next))
    written = None if archived is None else str(archived).lower()
    headers = lead_on("/api/v1/conversations", on, page_size=page_size, archived=written)
    return answer(ConversationList(found.items, on), headers=headers)


@get(
    "/api/v1/conversations/{conversation_id:str}",
    tags=["conversations"],
    responses=answers(*_REFUSALS, documents={200: ConversationItem}),
)
async def get_conversation(
    request: Asking, conversation_id: FromPath[str], reads: NamedDependency[Reads]
) -> Response[bytes]:
    """Read one conversation of mine."""
    question = GetConversation(request.user.user_id, conversation(conversation_id))
    found = (await reads.ask(CONVERSATION, question, _Found)).message
    if bytes(found) == b"null":
        raise Refusal(Code.NOT_FOUND, "There is no such conversation.")
    return answer(found)


@patch(
    "/api/v1/conversations/{conversation_id:str}/me",
    tags=["conversations"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.NOT_FOUND),
)
async def change_my_settings(
    request: Asking,
    conversation_id: FromPath[str],
    data: JSONBody[MySettingsChange],
    commands: NamedDependency[Commands],
    belongings: NamedDependency[Belongings],
    settings: NamedDependency[Settings],
) -> MySettings:
    """Mute, pin or archive a conversation of mine, or keep a draft of what I am about to write there."""
    where = conversation(conversation_id)
    _check(data, settings.limit_content_chars)
    await commands.admit(request.user, where)
    kept = await belongings.change_settings(
        request.user.user_id,
        where,
        clock.now_ms(),
        muted=data.muted,
        pinned=data.pinned,
        archived=data.archived,
        draft=data.draft,
    )
    return MySettings(*kept)


HANDLERS: Final[list[HTTPRouteHandler]] = [list_conversations, get_conversation, change_my_settings]


def _check(change: MySettingsChange, content_chars: int) -> None:
    names = MySettingsChange.__struct_fields__
    if all(getattr(change, name) is None for name in names):
        wrong = dict.fromkeys(names, "give at least one of them")
        raise Refusal(Code.INVALID, f"Give one of {', '.join(names)}.", fields=wrong)
    draft = change.draft or ""
    if len(draft) > content_chars:
        wrong = {"draft": f"must be at most {content_chars} characters"}
        raise Refusal(
            Code.TOO_LARGE, f"The draft has {len(draft)} characters; {content_chars} are allowed.", None, wrong
        )
    if "\0" in draft:
        wrong = {"draft": "must not contain the character U+0000"}
        raise Refusal(Code.INVALID, "draft must not contain the character U+0000.", fields=wrong)
