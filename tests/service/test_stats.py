"""`parley stats`: figures that agree with what is in the tables, and nothing of what people wrote or are called."""

import asyncio
import json
from typing import Any

import pytest
import sqlalchemy as sa

from deploy.cli.main import main
from shared.contracts import ids
from shared.contracts.ids import ConversationId, UserId
from shared.database import tables
from shared.database.analytics import DAY_MS, HOUR_MS, TooSlow, Window, analyse
from shared.database.engine import open_engine
from shared.runtime.clock import now_ms
from tests.support.history import ANN, BEN, CAT, DIRECT, GROUP, Row, member_row, message_row, store_conversation, write
from tests.support.rows import account_row, retry_row

SECRET = "nobody else may read this"


@pytest.fixture
def url(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PARLEY_DATABASE_URL", migrated_url)
    return migrated_url


def receipt(conversation: ConversationId, user: UserId, state: str, up_to_seq: int, at_ms: int) -> Row:
    return {
        "conversation_id": conversation, "user_id": user, "state": state, "up_to_seq": up_to_seq, "at_ms": at_ms,
    }  # fmt: skip


def sent(conversation: ConversationId, seq: int, sender: UserId, at_ms: int) -> Row:
    return message_row(conversation, seq, sender, SECRET, sent_at_ms=at_ms)


async def fill(url: str, hour_ms: int) -> None:
    """Ten messages of ann's an hour ago, one of them long before; ben got eight and read four, cat got none."""
    times = [hour_ms - 40 * DAY_MS, *(hour_ms + number * 1000 for number in range(1, 10))]
    messages = [sent(DIRECT, seq, ANN, at_ms) for seq, at_ms in enumerate(times, 1)]
    receipts = [receipt(DIRECT, BEN, "delivered", seq, times[seq - 1] + 100 * seq) for seq in range(2, 9)]
    receipts.append(receipt(DIRECT, BEN, "read", 4, times[3] + 60_000))
    members = [member_row(DIRECT, ANN), member_row(DIRECT, BEN, 8, 4)]
    await store_conversation(url, DIRECT, members, messages, receipts)
    group = [member_row(GROUP, user) for user in (ANN, CAT)] + [member_row(GROUP, BEN, left_rev=1)]
    await store_conversation(url, GROUP, group, [sent(GROUP, 1, ANN, hour_ms)], kind="group")
    accounts = [account_row(ANN, "Ann"), account_row(BEN, "Ben"), account_row(CAT, "Cat")]
    accounts = [row | {"disabled_at_ms": None if row["id"] != CAT else 1} for row in accounts]
    await write(url, {tables.account: accounts, tables.retry: [retry_row(DIRECT, BEN, 10, state="failed")]})


def stats(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["stats", "--json", *argv]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_figures_agree_with_the_tables(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    hour_ms = now_ms() // HOUR_MS * HOUR_MS - HOUR_MS
    asyncio.run(fill(url, hour_ms))
    found = stats(capsys)
    assert (found["sent"], found["senders"], found["active_conversations"]) == (10, 1, 2)
    assert found["active_users"] == 2, "ann wrote, ben's receipts came"
    assert (found["looked_at"], found["delivered"], found["read"]) == (10, 7, 3), "the one of long ago does not count"
    assert found["to_delivered_ms"] == {"p50": 500, "p90": 800, "p99": 800}
    assert found["to_read_ms"] == {"p50": 61_000, "p90": 62_000, "p99": 62_000}
    (step,) = found["steps"]
    assert (step["sent"], step["delivered"], step["read"]) == (10, 7, 3)
    assert (found["undelivered"], found["undelivered_to"], found["retries"]) == (3, 2, {"failed": 1})
    assert (found["accounts"], found["disabled_accounts"]) == (3, 1)
    assert found["conversations"] == {"direct": 1, "group": 1}
    assert found["sizes"]["message"]["rows"] == 11
    assert found["bytes"] > 10_000

    by_day = stats(capsys, "--since", "60d")
    assert (by_day["by"], by_day["sent"], len(by_day["steps"])) == ("day", 11, 2)
    assert (by_day["delivered"], by_day["steps"][0]["delivered"]) == (8, 1)
    only_latest = stats(capsys, "--ways", "2")
    assert (only_latest["sent"], only_latest["looked_at"], only_latest["delivered"]) == (10, 2, 0)


def test_people_get_tables_without_contents_and_names(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    assert "0 messages" in capsys.readouterr().out, "an empty system has figures too"
    asyncio.run(fill(url, now_ms() // HOUR_MS * HOUR_MS - HOUR_MS))
    assert main(["stats"]) == 0
    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "delivered 7 (70%) 500 ms 800 ms 800 ms" in lines
    assert "read 3 (30%) 1.02 min 1.03 min 1.03 min" in lines
    shown += json.dumps(stats(capsys))
    assert all(hidden not in shown for hidden in (SECRET, "Ann", "u-ann", DIRECT))


def test_a_wrong_duration_is_refused() -> None:
    for wrong in ("yesterday", "0h", "-1d", "24"):
        with pytest.raises(SystemExit) as ended:
            main(["stats", f"--since={wrong}"])
        assert ended.value.code == 2


async def test_reading_ends_when_its_time_is_over_and_harms_nothing(url: str) -> None:
    when, many = now_ms(), 300
    pairs = [(UserId(f"u-{number}"), ids.direct_conversation_id(ANN, UserId(f"u-{number}"))) for number in range(many)]
    await write(
        url,
        {
            tables.message: [sent(pair, seq, ANN, when) for _, pair in pairs for seq in range(1, 41)],
            tables.member: [member_row(pair, who) for user, pair in pairs for who in (ANN, user)],
        },
    )
    window = Window(when - DAY_MS, HOUR_MS, 100_000)
    with pytest.raises(TooSlow):
        await analyse(url, window, 0.001)
    assert (await analyse(url, window, 60)).sent == many * 40
    engine = open_engine(url, "writer", pool_size=1)
    async with engine.begin() as writing:
        await writing.execute(sa.delete(tables.message))
    await engine.dispose()
