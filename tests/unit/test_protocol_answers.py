"""What a client is sent: the shapes of the protocol page, byte for byte."""

from services.gateway.protocol import closing, outbound
from services.gateway.protocol.outbound import CaughtUp, Me, MemberCursor, ServerPong, SyncPage, Welcome
from shared.contracts.errors import Code, Refusal
from shared.contracts.ids import ConversationId, MessageId, SessionId, UserId, Username

CONVERSATION = ConversationId("dk4")


def test_an_ack_has_its_fields_in_the_order_of_the_page() -> None:
    frame = outbound.ack(
        re="01JD8ZK3V7",
        message_id=MessageId("m7c"),
        conversation_id=CONVERSATION,
        seq=1,
        rev=2,
        sent_at_ms=1_795_341_601_200,
        duplicate=False,
    )
    assert frame == (
        b'{"type":"ack","re":"01JD8ZK3V7","message_id":"m7c","conversation_id":"dk4","seq":1,"rev":2,'
        b'"status":"sent","sent_at":"2026-11-22T10:00:01.200Z","duplicate":false}'
    )


def test_a_welcome_tells_who_and_what() -> None:
    me = Me(UserId("u1"), Username("ann"), "Ann")
    frame = Welcome(SessionId("s1"), me, "e1", outbound.HEARTBEAT_MS, {"frame_bytes": 131_072}, "T")
    assert outbound.encode(frame) == (
        b'{"type":"welcome","session_id":"s1","user":{"id":"u1","username":"ann","display_name":"Ann"},"epoch":"e1",'
        b'"heartbeat_ms":20000,"limits":{"frame_bytes":131072},"server_time":"T"}'
    )


def test_more_is_told_only_where_there_is_more() -> None:
    assert outbound.encode(CaughtUp(0, {})) == b'{"type":"caught_up","replayed":0,"cursors":{}}'
    frame = outbound.encode(CaughtUp(1, {CONVERSATION: 9}, [CONVERSATION]))
    assert frame == b'{"type":"caught_up","replayed":1,"cursors":{"dk4":9},"more":["dk4"]}'


def test_an_error_leaves_out_what_it_does_not_know() -> None:
    assert outbound.error(Refusal(Code.NOT_FOUND, "No.")) == (
        b'{"type":"error","code":"not_found","detail":"No.","retryable":false}'
    )
    limited = Refusal(Code.RATE_LIMITED, "Slow.", 200, {"a": "b"})
    assert outbound.error(limited, "x") == (
        b'{"type":"error","code":"rate_limited","detail":"Slow.","retryable":true,"re":"x","retry_after_ms":200,'
        b'"fields":{"a":"b"}}'
    )


def test_a_goodbye_always_has_all_its_fields() -> None:
    assert closing.goodbye(closing.SIGNED_OUT) == (
        b'{"type":"goodbye","code":"unauthenticated","reason":"This sign-in has ended.","reconnect":false,"after_ms":0}'
    )
    assert b'"reconnect":true,"after_ms":9}' in closing.goodbye(closing.GOING_AWAY, 9)


def test_the_small_frames_are_as_the_page_has_them() -> None:
    assert outbound.resync("gap", CONVERSATION) == b'{"type":"resync","reason":"gap","conversation_id":"dk4"}'
    assert outbound.resync("broker_reconnect") == b'{"type":"resync","reason":"broker_reconnect"}'
    assert outbound.encode(ServerPong(3)) == b'{"type":"pong","n":3}'
    assert outbound.message_status(MessageId("m"), CONVERSATION, "queued", 0) == (
        b'{"type":"message_status","message_id":"m","conversation_id":"dk4","status":"queued",'
        b'"at":"1970-01-01T00:00:00.000Z"}'
    )
    page = SyncPage("x", CONVERSATION, [], [MemberCursor(Username("ann"), 2, 1)], 5, complete=True)
    assert outbound.encode(page) == (
        b'{"type":"sync_page","re":"x","conversation_id":"dk4","messages":[],'
        b'"members":[{"username":"ann","delivered_seq":2,"read_seq":1}],"rev":5,"complete":true}'
    )


def test_an_id_is_put_into_a_message_for_its_author() -> None:
    assert outbound.with_id(b'{"type":"message","seq":1}', "x-1") == b'{"type":"message","seq":1,"id":"x-1"}'
