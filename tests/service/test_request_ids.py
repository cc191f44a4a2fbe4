"""One id from a request through all services: with questions, with commands, in dead letters and in the logs."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from nats.aio.msg import Msg
from structlog.typing import EventDict

from shared.broker import dead_letters
from shared.broker.along import Along
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.commands import SEND, Origin
from shared.contracts.ids import partition_of
from tests.support.delivery import GATEWAY, PARTITIONS, a_message, delivery, eventually, fresh_streams, gateway
from tests.support.logs import captured_logs
from tests.support.sockets import Path, ask, message


async def test_a_dead_letter_names_its_request_in_the_log_and_in_the_queue_and_when_it_is_retried(
    migrated_url: str, nats_url: str
) -> None:
    await fresh_streams(nats_url)
    poison = a_message("ann", "ben", "poison", sent_at_ms=2**63)
    partition = partition_of(poison.conversation_id, PARTITIONS)
    with captured_logs() as logged:
        async with delivery(nats_url, migrated_url) as running, gateway(nats_url) as stand_in:
            for ref, along in ((71, Along("from-http")), (72, Along())):
                item = msgspec.msgpack.encode((SEND, Origin(GATEWAY, ref), poison))
                stand_in.writer.append(partition, item, ref, along)
                assert (await stand_in.answer(ref)).code == "internal"
            letters = await dead_letters.dead_letters(running.connection)
            assert [letter.request_id for letter in letters] == ["from-http", f"{GATEWAY}-72"]
            await dead_letters.retry_dead_letter(running.connection, letters[0])
            await eventually(lambda: running.tally.dead == 3, 10, "the dead letter of the retry")
    named = [line["request_id"] for line in logged if line["event"] == "dead_letter"]
    assert named == ["from-http", f"{GATEWAY}-72", "from-http"]


async def test_questions_for_a_request_name_it_and_nothing_of_a_trace_where_there_is_none(path: Path) -> None:
    heard: list[dict[str, str]] = []

    async def note(question: Msg) -> None:
        heard.append(question.headers or {})

    eavesdropper = Connection(path.settings.nats_url, "test")
    await eavesdropper.open()
    try:
        await eavesdropper.client.subscribe("rpc.history.>", cb=note)
        await eavesdropper.flushed(5)
        async with path.http(await path.token_of("ann")) as ann:
            listed = await ann.get("/api/v1/conversations", headers={"x-request-id": "asked-by-ann"})
            listed.raise_for_status()
        async with asyncio.timeout(5):
            while {"Parley-Request-Id": "asked-by-ann"} not in heard:  # noqa: ASYNC110 - the eavesdropper hears of it
                await asyncio.sleep(0.01)
    finally:
        await eavesdropper.close()


async def test_messages_leave_no_header_but_the_ids_of_http_requests(path: Path) -> None:
    log = Connection(path.settings.nats_url, "test")
    await log.open()
    try:
        async with path.socket(await path.token_of("ann")) as ann, path.http(await path.token_of("ben")) as ben:
            await ask(ann, message("ben"), "ack")  # for this one somebody is asked, and so it has an id of its own
            begun = (await log.jetstream().stream_info(subjects.CHAT_STREAM)).state.last_seq
            await ask(ann, message("ben"), "ack")
            sent = await ben.post("/messages/send/ann", json={"content": "hi"}, headers={"x-request-id": "of-ben"})
            sent.raise_for_status()
        headers = []
        for seq in (begun + 1, begun + 2):
            stored = await log.jetstream().get_msg(subjects.CHAT_STREAM, seq)
            headers.append({name: value for name, value in (stored.headers or {}).items() if "Parley" in name})
        assert headers == [{}, {"Parley-Requests": "0=of-ben"}]
    finally:
        await log.close()


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """What is logged from now on; to be asked for before the services, which look once how much is to be logged."""
    with captured_logs() as lines:
        yield lines


async def test_a_refusal_of_delivery_is_logged_under_the_id_of_the_problem(logged: list[EventDict], path: Path) -> None:
    await path.token_of("ben")
    async with path.http(await path.token_of("ann")) as ann:
        asked = {"content": "hi", "reply_to": "m-of-nobody"}
        refused = await ann.post("/messages/send/ben", json=asked, headers={"x-request-id": "asked-by-ann"})
    assert refused.json()["request_id"] == "asked-by-ann"
    named = {line["event"]: line["request_id"] for line in logged if "command" in line["event"]}
    assert named == dict.fromkeys(("command_accepted", "command_refused", "command_failed"), "asked-by-ann")


async def test_legs_are_measured_where_they_end(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        await ask(ann, message("ben"), "ack")
        await ben.expect("message")
        async with path.gateways["gateway"].browser() as browser:
            metrics = (await browser.get("/metrics")).text
    assert 'parley_leg_seconds_count{leg="answered"} 1.0' in metrics
    assert 'parley_leg_seconds_count{leg="forwarded"} 1.0' in metrics
