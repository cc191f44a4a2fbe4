"""What must never change, or change only together."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from services.gateway.protocol import closing, inbound, outbound
from services.gateway.protocol.closing import Closing
from services.gateway.settings import Settings
from shared.contracts import subjects
from shared.contracts.commands import KINDS, MoveCursor, Origin, SendMessage, SetBlock, request_hash
from shared.contracts.errors import HTTP_STATUS, RETRYABLE, Code
from shared.contracts.events import Announcement, Answer
from shared.contracts.frames import rfc3339
from shared.contracts.ids import ClientId, ConversationId, UserId, direct_conversation_id, message_id, partition_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()


def test_ids_are_what_they_were_when_the_first_message_was_stored() -> None:
    ann, ben = UserId("0192aa"), UserId("0192bb")
    assert direct_conversation_id(ann, ben) == direct_conversation_id(ben, ann) == "dhqmxhn2tl2zdgzfj2xuxh2mm"
    assert message_id(ann, ClientId("01JD8ZK3V7")) == "mentn6wauzxqkjmyt6sfa2maeky"
    assert partition_of(ConversationId("dhqmxhn2tl2zdgzfj2xuxh2mm"), 4) == 0
    assert request_hash("message", "d1", "hi", None, ("ben",)).hex() == "43944c90f62d95ab0a2b6807018e39c9"


def test_the_fields_of_the_log_only_grow_at_their_end() -> None:
    assert Origin._fields == ("gateway", "ref", "session")
    assert SendMessage._fields == (
        "message_id",
        "conversation_id",
        "sender_id",
        "sender",
        "client_id",
        "request",
        "content",
        "sent_at_ms",
        "peer_id",
        "peer",
        "content_type",
        "reply_to",
        "mentions",
        "seen_seq",
        "discreet",
    )
    assert MoveCursor._fields == ("conversation_id", "user_id", "username", "state", "up_to_seq", "at_ms", "discreet")
    assert SetBlock._fields == (
        "operation_id",
        "conversation_id",
        "user_id",
        "username",
        "peer_id",
        "peer",
        "request",
        "is_blocked",
        "at_ms",
    )
    assert Answer._fields == (
        "ref",
        "code",
        "detail",
        "message_id",
        "conversation_id",
        "seq",
        "rev",
        "sent_at_ms",
        "duplicate",
        "frame",
    )
    assert Announcement._fields == ("to", "conversation_id", "rev", "frame", "skip", "author", "client_id", "only")
    assert {"send": SendMessage, "cursor": MoveCursor, "block": SetBlock} == KINDS


def test_every_code_is_on_the_page_with_its_http_status_and_whether_to_repeat() -> None:
    table = PAGE[PAGE.index("| code | HTTP |") : PAGE.index("(* retryable.)")]
    on_page: dict[str, tuple[int, bool]] = {}
    for row in table.splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if len(cells) < 5:
            continue
        for names, status in ((cells[0], cells[1]), (cells[3], cells[4])):
            for name, star in re.findall(r"`(\w+)`(\*?)", names):
                on_page[name] = (int(status), bool(star))
    assert on_page.pop("rate_limited") == (429, True)
    assert {code: (HTTP_STATUS[code], code in RETRYABLE) for code in Code if code != Code.RATE_LIMITED} == on_page
    assert HTTP_STATUS[Code.RATE_LIMITED] == 429


def test_every_frame_is_on_the_page_in_its_direction() -> None:
    rows = re.findall(r"^\| (`\w+`(?: / `\w+`)?) \| (C→S|S→C|both) \|", PAGE, re.MULTILINE)
    directions: dict[str, set[str]] = {}
    for names, direction in rows:
        for name in re.findall(r"`(\w+)`", names):
            directions.setdefault(name, set()).update({"C→S", "S→C"} if direction == "both" else {direction})
    assert {name for name in inbound.TYPES if "C→S" in directions[name]} == inbound.TYPES
    written = {
        struct.__struct_config__.tag
        for module in (outbound, closing)
        for struct in vars(module).values()
        if isinstance(struct, type) and hasattr(struct, "__struct_config__") and struct.__struct_config__.tag
    }
    assert written
    for name in written - {"sync_page"}:
        assert "S→C" in directions[str(name)], name
    assert "`sync_page` {" in PAGE


def test_every_reason_to_close_is_on_the_page() -> None:
    table = PAGE[PAGE.index("| close | meaning | client |") : PAGE.index("Limits, each a setting")]
    on_page = set(map(int, re.findall(r"\b(?:1001|1011|4\d{3})\b", table)))
    used = {value.close_code for value in vars(closing).values() if isinstance(value, Closing)}
    assert used <= on_page


def test_every_limit_of_the_page_is_a_setting_with_its_default() -> None:
    start = PAGE.index("Limits, each a setting")
    stated = dict(re.findall(r"`(?:PARLEY_LIMIT)?(_[A-Z_]+)` ([\d,]+)", PAGE[start : PAGE.index("Pages (HTTP", start)]))
    settings = {
        f.name.removeprefix("limit").upper(): f.default for f in fields(Settings) if f.name.startswith("limit_")
    }
    assert {name: int(number.replace(",", "")) for name, number in stated.items() if number} == {
        name: settings[name] for name in stated
    }
    assert len(stated) >= 8


@pytest.mark.parametrize("path", sorted((ROOT / "services").rglob("*.py")), ids=lambda path: str(path.name))
def test_no_subject_of_the_broker_is_written_outside_the_contracts(path: Path) -> None:
    assert not re.search(r"""["'](chat|rpc|gw|dlq)\.[a-z]""", path.read_text())


def test_subjects_lead_back_to_their_partition() -> None:
    assert subjects.partition_in(subjects.log(3)) == 3


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(1_795_341_600_123) == "2026-11-22T10:00:00.123Z"
