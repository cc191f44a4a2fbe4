"""Bad frames and too many of them: each gets its answer, and the other sockets go on."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.verify.wire import Wire
from tests.support.sockets import Path, ask, message, whole_path


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url) as running:
        yield running


@pytest_asyncio.fixture
async def ann(path: Path) -> AsyncIterator[Wire]:
    async with path.socket(await path.token_of("ann")) as wire:
        yield wire


async def test_the_third_protocol_error_within_a_minute_closes(ann: Wire) -> None:
    for raw in ("nope", b"binary", "[]"):
        await ann.send_raw(raw)
    assert (await ann.closing()).code == 4400
    kinds = [(frame["type"], frame["code"]) for frame in ann.passed]
    assert kinds == [("error", "invalid")] * 3 + [("goodbye", "invalid")]


async def test_anything_but_hello_first_is_a_protocol_error(path: Path) -> None:
    async with path.dial(await path.token_of("ben")) as wire:
        await wire.send({"type": "ping", "n": 1})
        assert (await wire.expect("error"))["code"] == "invalid"
        await wire.send({**message("ben"), "id": "x"})
        assert (await wire.expect("error"))["re"] == "x"
        await wire.hello("laptop")
        await wire.send_raw("{}")
        assert (await wire.closing()).code == 4400


async def test_other_refusals_never_close(ann: Wire) -> None:
    for _ in range(5):
        assert (await ask(ann, {"type": "message_update", "id": "u1"}, "error"))["code"] == "unknown_type"
        error = await ask(ann, {"type": "message", "id": "m1", "to": "ben"}, "error")
        assert (error["code"], error["fields"]) == ("invalid", {"content": "is required"})
    await ann.send({"type": "ping", "n": 4})
    assert (await ann.expect("pong"))["n"] == 4


async def test_a_frame_at_its_limit_is_read_and_one_over_it_closes(path: Path, ann: Wire) -> None:
    await path.token_of("ben")
    limit = path.settings.limit_frame_bytes
    frame = '{"type":"ping","n":1,"x":"'
    await ann.send_raw(frame + "ä" * ((limit - len(frame) - 2) // 2) + '"}')
    await ann.expect("pong")
    await ann.send_raw(frame + "ä" * ((limit - len(frame)) // 2) + '"}')
    assert (await ann.closing()).code == 4413
    assert ann.passed[-1]["code"] == "too_large"


async def test_a_frame_far_over_its_limit_is_not_even_read(path: Path, ann: Wire) -> None:
    await ann.send_raw("x" * (4 * path.settings.limit_frame_bytes))
    assert (await ann.closing()).code == 1009


async def test_frames_over_the_rate_wait_and_are_answered_in_their_order(ann: Wire) -> None:
    for number in range(80):
        await ann.send({"type": "ping", "n": number})
    answers = [(await ann.expect("pong"))["n"] for _ in range(80)]
    assert answers == list(range(80))


async def test_a_flood_closes_and_the_others_go_on(path: Path, ann: Wire) -> None:
    async with path.socket(await path.token_of("ben")) as ben:
        for number in range(700):
            await ben.send({"type": "ping", "n": number})
        assert (await ben.closing()).code == 4429
        assert ben.passed[-1]["after_ms"] > 0
    await ann.send({"type": "ping", "n": 1})
    assert (await ann.expect("pong"))["n"] == 1


async def test_without_rate_limits_many_frames_are_taken_at_once(sqlite_url: str, nats_url: str) -> None:
    async with whole_path(sqlite_url, nats_url, rate_limits=False) as path:
        await path.token_of("ben")
        async with path.socket(await path.token_of("ann")) as ann:
            for number in range(1000):
                await ann.send(message("ben", str(number)))
            acks = [(await ann.expect("ack"))["seq"] for _ in range(1000)]
    assert acks == list(range(1, 1001))
