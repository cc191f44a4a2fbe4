"""What a client may send: each bad frame gets exactly the code of the protocol page."""

import json

import pytest

from services.gateway.protocol.inbound import (
    BadFrame,
    Hello,
    Ping,
    ReadReceipt,
    SendRequest,
    SyncRequest,
    TypingRequest,
    check_message,
    check_sync,
    check_typing,
    decode,
)
from shared.contracts.errors import Code
from shared.contracts.ids import ClientId, ConversationId

LIMIT = 20
X, C = ClientId("x"), ConversationId("c")


def test_every_type_of_frame_is_read_with_its_optional_fields() -> None:
    assert decode('{"type":"hello","v":1,"device_id":"d","epoch":"e","cursors":{"c":3}}') == Hello(1, "d", "e", {C: 3})
    assert decode('{"type":"hello","v":1,"device_id":"d"}') == Hello(1, "d")
    assert decode('{"id":"x","to":"ben","content":"hi","type":"message"}') == SendRequest(X, "hi", "ben")
    assert decode('{"type":"read_receipt","conversation_id":"c","state":"read","up_to_seq":4}') == ReadReceipt(
        C, "read", 4
    )
    assert decode('{"type":"sync","id":"x","conversation_id":"c","after_rev":0,"limit":200}') == SyncRequest(
        X, C, after_rev=0, limit=200
    )
    assert decode('{"type":"typing","to":"ben","state":"start"}') == TypingRequest("start", "ben")
    assert decode('{"type":"typing","conversation_id":"c","state":"stop"}') == TypingRequest("stop", None, C)
    assert decode('{"type":"ping","n":7}') == Ping(7)


def test_unknown_fields_are_ignored() -> None:
    assert decode('{"type":"ping","n":7,"more":{"deep":[1]}}') == Ping(7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "[1]",
        '"hello"',
        "7",
        "null",
        "{}",
        '{"type":7}',
        '{"type":null}',
        '{"type":["hello"]}',
        '{"type":"ping","n":NaN}',
        '{"type":"ping"} x',
        '{"type":"ping","type2":"\x00"}',
        "\ufeff" + '{"type":"ping"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_object_with_a_type_is_a_protocol_error(text: str) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(text)
    assert caught.value.is_protocol_error
    assert caught.value.refusal.code is Code.INVALID


@pytest.mark.parametrize("kind", ["message_update", "ack", "welcome", "", "Hello", "x" * 1000])
def test_a_type_that_is_not_known_is_no_protocol_error(kind: str) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(json.dumps({"type": kind, "id": "x1"}))
    assert not caught.value.is_protocol_error
    assert caught.value.refusal.code is Code.UNKNOWN_TYPE
    assert caught.value.re == "x1"


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"type": "message", "to": "ben", "content": "hi"}, "id"),
        ({"type": "message", "id": "", "to": "ben", "content": "hi"}, "id"),
        ({"type": "message", "id": "a b", "to": "ben", "content": "hi"}, "id"),
        ({"type": "message", "id": "a\n", "to": "ben", "content": "hi"}, "id"),
        ({"type": "message", "id": "x" * 65, "to": "ben", "content": "hi"}, "id"),
        ({"type": "message", "id": 7, "to": "ben", "content": "hi"}, "id"),
        ({"type": "message", "id": "x", "to": "ben"}, "content"),
        ({"type": "message", "id": "x", "to": "ben", "content": 7}, "content"),
        ({"type": "message", "id": "x", "to": "ben", "content": "\ud800"}, "content"),
        ({"type": "message", "id": "x", "to": 7, "content": "hi"}, "to"),
        ({"type": "message", "id": "x", "to": "ben", "content": "hi", "mentions": ["ann", 7]}, "mentions"),
        ({"type": "message", "id": "x", "to": "ben", "content": "hi", "mentions": ["ann"] * 101}, "mentions"),
        ({"type": "message", "id": "x", "to": "ben", "content": "hi", "seen_seq": -1}, "seen_seq"),
        ({"type": "message", "id": "x", "to": "ben", "content": "hi", "reply_to": "a b"}, "reply_to"),
        ({"type": "message", "id": "x", "to": "ben", "content": "hi", "attachments": "a"}, "attachments"),
        ({"type": "message", "id": "x", "conversation_id": "a/b", "content": "hi"}, "conversation_id"),
        ({"type": "hello", "device_id": "d"}, "v"),
        ({"type": "hello", "v": "1", "device_id": "d"}, "v"),
        ({"type": "hello", "v": 1}, "device_id"),
        ({"type": "hello", "v": 1, "device_id": ""}, "device_id"),
        ({"type": "hello", "v": 1, "device_id": "d", "cursors": {"c": -1}}, "cursors"),
        ({"type": "hello", "v": 1, "device_id": "d", "cursors": {"a b": 1}}, "cursors"),
        ({"type": "hello", "v": 1, "device_id": "d", "cursors": [1]}, "cursors"),
        ({"type": "read_receipt", "conversation_id": "c", "state": "seen", "up_to_seq": 1}, "state"),
        ({"type": "read_receipt", "conversation_id": "c", "state": "read", "up_to_seq": -1}, "up_to_seq"),
        ({"type": "read_receipt", "conversation_id": "c", "state": "read", "up_to_seq": 1.5}, "up_to_seq"),
        ({"type": "read_receipt", "conversation_id": "c", "state": "read", "up_to_seq": 2**63}, "up_to_seq"),
        ({"type": "sync", "id": "x", "conversation_id": "c", "after_rev": 0, "limit": 201}, "limit"),
        ({"type": "sync", "id": "x", "conversation_id": "c", "after_rev": 0, "limit": 0}, "limit"),
        ({"type": "typing", "to": "ben"}, "state"),
        ({"type": "typing", "to": "ben", "state": "read"}, "state"),
        ({"type": "typing", "conversation_id": "a/b", "state": "start"}, "conversation_id"),
        ({"type": "ping", "n": "x"}, "n"),
    ],
)
def test_a_wrong_field_is_named(frame: dict[str, object], field: str) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(json.dumps(frame))
    assert not caught.value.is_protocol_error
    assert caught.value.refusal.code is Code.INVALID
    assert list(caught.value.refusal.fields or ()) == [field]
    assert caught.value.re == ("x" if frame.get("id") == "x" else None)


def test_a_hello_of_another_version_is_read_whatever_else_it_has() -> None:
    other = decode('{"type":"hello","v":2,"device":{"name":"d"}}')
    assert isinstance(other, Hello)
    assert other.v == 2


def test_a_surrogate_pair_is_one_character() -> None:
    frame = decode('{"type":"message","id":"x","to":"ben","content":"\\ud83d\\ude00"}')
    assert isinstance(frame, SendRequest)
    assert frame.content == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (SendRequest(X, "hi", "ben"), None),
        (SendRequest(X, "hi", "BEN"), None),
        (SendRequest(X, "hi", conversation_id=C), None),
        (SendRequest(X, "\N{GRINNING FACE}" * LIMIT, "ben"), None),
        (SendRequest(X, "hi", "ben", content_type="text/plain", attachments=[]), None),
        (SendRequest(X, "\N{GRINNING FACE}" * (LIMIT + 1), "ben"), Code.TOO_LARGE),
        (SendRequest(X, "", "ben"), Code.INVALID),
        (SendRequest(X, "a\0b", "ben"), Code.INVALID),
        (SendRequest(X, "hi"), Code.INVALID),
        (SendRequest(X, "hi", "ben", C), Code.INVALID),
        (SendRequest(X, "hi", "ben", mentions=("no name",)), Code.INVALID),
        (SendRequest(X, "hi", "ben", content_type="text/html"), Code.UNSUPPORTED),
        (SendRequest(X, "hi", "ben", attachments=["a"]), Code.UNSUPPORTED),
    ],
)
def test_a_message_is_checked_for_what_its_types_do_not_say(request_: SendRequest, code: Code | None) -> None:
    refusal = check_message(request_, LIMIT)
    assert (refusal and refusal.code) == code


def test_a_page_is_asked_for_in_one_direction() -> None:
    assert check_sync(SyncRequest(X, C, after_rev=0)) is None
    assert check_sync(SyncRequest(X, C, before_seq=9)) is None
    for wrong in (SyncRequest(X, C), SyncRequest(X, C, after_rev=1, before_seq=9)):
        refusal = check_sync(wrong)
        assert refusal is not None
        assert refusal.code is Code.INVALID


def test_typing_is_in_one_conversation() -> None:
    assert check_typing(TypingRequest("start", "ben")) is None
    assert check_typing(TypingRequest("stop", conversation_id=C)) is None
    for wrong in (TypingRequest("start"), TypingRequest("start", "ben", C)):
        refusal = check_typing(wrong)
        assert refusal is not None
        assert refusal.code is Code.INVALID


def test_a_wrong_state_is_told_in_the_words_of_its_frame() -> None:
    for kind, words in (("typing", "start or stop"), ("read_receipt", "delivered or read")):
        with pytest.raises(BadFrame) as caught:
            decode(json.dumps({"type": kind, "conversation_id": "c", "up_to_seq": 1, "state": "x"}))
        assert caught.value.refusal.fields == {"state": f"must be {words}"}
