"""The HTTP twin of `hello`: what was missed, or a wait until something comes (long-polling)."""

from itertools import starmap
from typing import Annotated, Final

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta, Raw, Struct, field, structs

from services.gateway.api.asking import Asking
from services.gateway.api.problems import BAD_BODY, answers
from services.gateway.api.reads import Reads
from services.gateway.api.shapes import Synced, SyncedMessage, SyncMember, SyncPage, TypingItem, answer, presence_item
from services.gateway.fanout.hub import Hub
from services.gateway.fanout.presence import Presence
from services.gateway.protocol.inbound import MAX_NUMBER, MAX_WATCHED, check_usernames
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ID_PATTERN, ConversationId, UserId
from shared.contracts.queries import Missed, Resume, Resumed
from shared.contracts.subjects import RESUME

MAX_WAIT_S: Final = 25
ROOM: Final = 2_000
MAX_CONTENT_BYTES: Final = 256 * 1024
_TYPE: Final = b'{"type":"message",'

_Id = Annotated[ConversationId, Meta(pattern=rf"\A{ID_PATTERN}\Z")]
_Rev = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class SyncQuestion(Struct, frozen=True):
    """What the client holds: the epoch it knows, and its `rev` of each conversation."""

    epoch: str | None = None
    cursors: dict[_Id, _Rev] = field(default_factory=dict)
    wait_s: Annotated[float, Meta(ge=0, le=MAX_WAIT_S, description="How long to wait where nothing was missed")] = 0
    watch: Annotated[list[str], Meta(max_length=MAX_WATCHED, description="Usernames: how they are is told too")] = (
        field(default_factory=list)
    )


@post(
    "/api/v1/sync",
    status_code=200,
    tags=["sync"],
    responses=answers(*BAD_BODY, Code.UNAUTHENTICATED, Code.FORBIDDEN, documents={200: Synced[SyncedMessage]}),
)
async def sync(
    request: Asking,
    data: JSONBody[SyncQuestion],
    reads: NamedDependency[Reads],
    hub: NamedDependency[Hub],
    presence: NamedDependency[Presence],
) -> Response[bytes]:
    """Read what I missed; where that is nothing, wait for what comes next."""
    who, asker = request.user, request.user.user_id
    watched = check_usernames("watch", data.watch)
    presence.hellos.polled(asker)
    if data.wait_s == 0:
        async with presence.ears.listening(who, watched) as ear:
            synced = await _missed(reads, asker, data)
            return answer(structs.replace(synced, presence=list(starmap(presence_item, ear.answer(watched)))))
    # first listen, then read: what comes between is not lost
    with presence.pollers.polling(who):
        async with hub.watch(asker) as watch, presence.ears.listening(who, watched, watch.nudge) as ear:
            synced = await _missed(reads, asker, data)
            if not (_has_news(synced, data) or ear.has_news) and await watch.changed(data.wait_s):
                synced = await _missed(reads, asker, data)
            seen = list(starmap(presence_item, ear.answer(watched)))
        typing = [
            TypingItem(each["conversation_id"], each["user"], each["state"], each["ttl_ms"]) for each in watch.typing
        ]
    return answer(structs.replace(synced, typing=typing, presence=seen))


HANDLERS: Final[list[HTTPRouteHandler]] = [sync]


async def _missed(reads: Reads, asker: UserId, question: SyncQuestion) -> Synced[Raw]:
    """Read until the answer is full; of what is left over only the cursors are read.

    Raises:
        Refusal: `unavailable`, also while a new or emptied database has no epoch yet.
    """
    cursors = dict(question.cursors)
    conversations: list[Missed[Raw]] = []
    room, size, after = ROOM, 0, ConversationId("")
    while True:
        part = await reads.ask(RESUME, Resume(asker, cursors, after, room), Resumed[Raw])
        if not part.epoch:
            raise Refusal(Code.UNAVAILABLE, "The store holds no history yet. Try again.", 1000)
        if not conversations and question.epoch not in {None, part.epoch} and cursors:
            cursors = {}  # they speak of another history
            continue
        conversations += part.conversations
        count = sum(len(missed.messages) for missed in part.conversations)
        size += sum(len(bytes(message)) for missed in part.conversations for message in missed.messages)
        room = 0 if size >= MAX_CONTENT_BYTES else max(0, room - count)
        if not part.next:
            return _synced(part.epoch, conversations)
        after = part.next


def _synced(epoch: str, conversations: list[Missed[Raw]]) -> Synced[Raw]:
    pages = [
        SyncPage(
            conversation_id=missed.conversation_id,
            messages=[_without_type(message) for message in missed.messages],
            members=[SyncMember(each.username, each.delivered_seq, each.read_seq) for each in missed.members],
            rev=missed.rev,
            complete=missed.complete,
        )
        for missed in conversations
    ]
    return Synced(
        epoch=epoch,
        conversations=pages,
        cursors={missed.conversation_id: missed.rev for missed in conversations},
        more=[missed.conversation_id for missed in conversations if not missed.complete],
    )


def _without_type(frame: Raw) -> Raw:
    """Make a page's message of a frame, unparsed: a frame's first field is its type."""
    written = bytes(frame)
    return Raw(b"{" + written[len(_TYPE) :]) if written.startswith(_TYPE) else frame


def _has_news(synced: Synced[Raw], question: SyncQuestion) -> bool:
    """Tell whether the client learns of a message, or that what it holds is not what is there."""
    if question.epoch not in {None, synced.epoch}:
        return True
    return any(
        page.messages or not page.complete or page.rev != question.cursors.get(page.conversation_id, page.rev)
        for page in synced.conversations
    )
