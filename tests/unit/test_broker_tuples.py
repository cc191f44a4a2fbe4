"""Named tuples off the wire: of this program, of an older and of a newer one."""

from typing import NamedTuple

import msgspec
import pytest

from services.delivery import handlers
from services.gateway.commands import inflight
from services.gateway.fanout import announcements
from shared.broker.tuples import list_reader, reader
from shared.contracts.commands import KINDS, Origin
from shared.contracts.events import Announcement, Answer

encode = msgspec.msgpack.encode


class Point(NamedTuple):
    x: int
    y: bytes = b""


def test_a_shorter_one_has_defaults_and_a_longer_one_is_cut() -> None:
    read = reader(Point)
    assert read(encode([1])) == Point(1)
    assert read(encode([1, b"2"])) == Point(1, b"2")
    assert read(encode([1, b"2", {"of": ["tomorrow"]}, None])) == Point(1, b"2")
    assert read(msgspec.Raw(encode([1, b"2", "new"]))) == Point(1, b"2")


@pytest.mark.parametrize("wrong", [["one"], [], {"x": 1}, 1, ["one", b"2", "new"], [1, 2, "new"]])
def test_what_is_wrong_in_what_is_known_is_refused(wrong: object) -> None:
    with pytest.raises(msgspec.DecodeError):
        reader(Point)(encode(wrong))
    with pytest.raises(msgspec.DecodeError):
        list_reader(Point)(encode([[1], wrong]))


def test_of_a_list_each_may_be_longer() -> None:
    assert list_reader(Point)(encode([[1], [2, b"3", "new"], [4, b""]])) == [Point(1), Point(2, b"3"), Point(4)]
    assert list_reader(Point)(encode([])) == []


def test_services_read_what_newer_ones_tell_them() -> None:
    answer, announcement = Answer(1, "invalid"), Announcement((), "d1", 1, b"{}")  # type: ignore[arg-type]
    assert inflight._decode(encode([[*answer, "new"], answer])) == [answer, answer]
    assert announcements._decode(encode([[*announcement, "new"]])) == [announcement]
    origin = Origin("g1", 1)  # type: ignore[arg-type]
    item = handlers._decode_item(encode(["send", [*origin, "new"], ["m1"], "new"]))
    assert item.kind == "send"
    assert handlers._decode_origin(item.origin) == origin
    assert handlers._decoders.keys() == KINDS.keys()
