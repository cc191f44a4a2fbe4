"""What goes along with one of many, and with a question."""

import pytest
import structlog

from shared.broker.along import NOTHING, REQUESTS, TRACES, Along, along_with, headers_of, read
from shared.broker.rpc import REQUEST_ID_HEADER, answering
from shared.runtime.telemetry import OFF, request_id

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def test_what_goes_along_with_commands_is_found_again_at_their_places() -> None:
    commands = [(1, Along("of-one")), (3, Along("", TRACE)), (127, Along("of-the_last", TRACE))]
    headers = headers_of(commands)
    assert headers == {REQUESTS: "1=of-one,127=of-the_last", TRACES: f"3={TRACE},127={TRACE}"}
    assert along_with({"Nats-Msg-Id": "x", **headers}) == dict(commands)


def test_where_nothing_goes_along_there_is_no_header() -> None:
    assert headers_of([]) == {}
    assert headers_of([(0, NOTHING), (1, Along())]) == {}
    assert headers_of([(0, Along("a"))]) == {REQUESTS: "0=a"}
    assert along_with(None) == along_with({}) == along_with({"Nats-Msg-Id": "x"}) == {}


@pytest.mark.parametrize("header", ["", ",", "=", "x", "x=y", "1", "-1=a", "1 =a", "\u0663=a"])
def test_what_cannot_be_read_goes_along_with_nothing(header: str) -> None:
    assert all(place in {1, 3} for place in along_with({REQUESTS: header, TRACES: header}))


def test_announcements_have_names_for_places() -> None:
    assert read(f"d1.7={TRACE},d2.8={TRACE}") == {"d1.7": TRACE, "d2.8": TRACE}


def test_a_question_is_answered_for_the_request_that_it_names() -> None:
    with answering(OFF, "rpc.test", {REQUEST_ID_HEADER: "of-a-test"}):
        assert request_id() == "of-a-test"
        assert structlog.contextvars.get_contextvars() == {"request_id": "of-a-test"}
    for headers in (None, {}, {REQUEST_ID_HEADER: "no id\n"}):
        with answering(OFF, "rpc.test", headers):
            assert request_id() == ""
            assert structlog.contextvars.get_contextvars() == {}
