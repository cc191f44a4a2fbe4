"""Messages over sockets: accepted, stored, answered, received, on the real parts."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.sockets import Path, ask, message, whole_path


@pytest_asyncio.fixture
async def path(database_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(database_url, nats_url) as running:
        yield running


async def test_a_message_is_acked_to_its_sender_and_received_by_the_other(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        ack = await ask(ann, message("ben", "hi"), "ack")
        received = await ben.expect("message")
        assert await ann.quiet() == []
    assert (ack["seq"], ack["rev"], ack["status"], ack["duplicate"]) == (1, 1, "sent", False)
    assert received == {
        "type": "message",
        "message_id": ack["message_id"],
        "conversation_id": ack["conversation_id"],
        "seq": 1,
        "rev": 1,
        "sender": "ann",
        "content": "hi",
        "content_type": "text/plain",
        "sent_at": ack["sent_at"],
    }


async def test_the_senders_other_devices_get_the_message_with_its_id(path: Path) -> None:
    token = await path.token_of("ann")
    await path.token_of("ben")
    async with path.socket(token, "phone") as phone, path.socket(token, "laptop") as laptop:
        sent = message("ben")
        await ask(phone, sent, "ack")
        received = await laptop.expect("message")
    assert received["id"] == sent["id"]


async def test_a_repeat_is_answered_with_the_first_answer_and_announced_to_nobody(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        sent = message("BEN")
        first = await ask(ann, sent, "ack")
        again = await ask(ann, {**sent, "to": "ben"}, "ack")
        await ben.expect("message")
        assert await ben.quiet() == []
    assert again == {**first, "duplicate": True}


async def test_two_at_once_under_one_id_are_both_answered_and_stored_once(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        sent = message("ben")
        await ann.send(sent)
        await ann.send(sent)
        answers = [await ann.expect("ack"), await ann.expect("ack")]
        await ben.expect("message")
        assert await ben.quiet() == []
    assert {answer["seq"] for answer in answers} == {1}
    assert sorted(answer["duplicate"] for answer in answers) == [False, True]


async def test_the_same_id_with_another_content_is_a_conflict(path: Path) -> None:
    await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann:
        sent = message("ben", "one")
        await ask(ann, sent, "ack")
        error = await ask(ann, {**sent, "content": "two"}, "error")
    assert (error["code"], error["retryable"]) == ("id_conflict", False)


async def test_what_can_not_be_sent_is_refused_with_its_code(path: Path) -> None:
    await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann:
        for sent, code in (
            (message("nobody_here"), "not_found"),
            (message("ann"), "invalid"),
            (message("no name"), "invalid"),
            (message("ben", ""), "invalid"),
            (message("ben", "a\0b"), "invalid"),
            (message("ben", "x" * 8001), "too_large"),
            (message("ben", attachments=["a"]), "unsupported"),
            (message("ben", reply_to="mnothing"), "not_found"),
            (message("ben", conversation_id="dx"), "invalid"),
            ({**message("ben"), "to": None, "conversation_id": "dnothing"}, "not_found"),
        ):
            error = await ask(ann, sent, "error")
            assert (error["code"], error["re"]) == (code, sent["id"])
        assert (await ask(ann, message("ben", "x" * 8000), "ack"))["seq"] == 1


async def test_a_conversation_is_open_to_its_members_alone(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        stranger = await path.token_of("eve")
        conversation = (await ask(ann, message("ben"), "ack"))["conversation_id"]
        there = {"to": None, "conversation_id": conversation}
        assert (await ask(ben, {**message(""), **there}, "ack"))["seq"] == 2
        async with path.socket(stranger) as eve:
            assert (await ask(eve, {**message(""), **there}, "error"))["code"] == "not_found"
            sync = {"type": "sync", "id": "s1", "conversation_id": conversation, "after_rev": 0, "limit": 10}
            assert (await ask(eve, sync, "error"))["code"] == "not_found"
            await eve.send({"type": "read_receipt", "conversation_id": conversation, "state": "read", "up_to_seq": 1})
            assert (await eve.expect("error"))["code"] == "not_found"


async def test_messages_keep_the_order_in_which_they_were_sent_also_where_one_needs_a_lookup(path: Path) -> None:
    await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann:
        sent = [message("ben", str(number)) for number in range(15)]
        for frame in sent:
            await ann.send(frame)
        answers = [await ann.expect("ack") for _ in sent]
    assert {answer["re"]: answer["seq"] for answer in answers} == {
        frame["id"]: number for number, frame in enumerate(sent, 1)
    }


async def test_over_its_rate_a_user_is_told_when_to_go_on_whatever_the_device(path: Path) -> None:
    await path.token_of("ben")
    token = await path.token_of("ann")
    async with path.socket(token, "phone") as phone, path.socket(token, "laptop") as laptop:
        for number in range(25):
            await phone.send(message("ben", str(number)))
        error = await phone.expect("error")
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert 0 < error["retry_after_ms"] <= 1000
        assert (await ask(laptop, message("ben"), "error"))["code"] == "rate_limited"


async def test_what_is_not_stored_in_time_is_told_to_be_queued_and_acked_later(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        await path.stop("delivery")
        sent = message("ben")
        await ann.send(sent)
        status = await ann.expect("message_status")
        assert status["status"] == "queued"
        await path.start("delivery")
        assert (await ann.expect("message_status", timeout_s=10))["status"] == "sent"
        ack = await ann.expect("ack")
        await ben.expect("message")
    assert ack["message_id"] == status["message_id"]
    assert (ack["duplicate"], ack["re"]) == (False, sent["id"])


async def test_an_answer_that_was_lost_is_read_from_the_store(path: Path) -> None:
    await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann:
        await path.stop("delivery")
        sent = message("ben")
        await ann.send(sent)
        await ann.expect("message_status")
        await path.start("mute delivery")
        ack = await ann.expect("ack", timeout_s=10)
    assert (ack["re"], ack["seq"], ack["duplicate"]) == (sent["id"], 1, False)


async def test_http_waits_for_the_store_and_tells_a_repeat(path: Path) -> None:
    token = await path.token_of("ann")
    async with path.socket(await path.token_of("ben")) as ben, path.http(token) as http:
        body = {"id": "h1", "content": "by http"}
        first = await http.post("/messages/send/ben/", json=body)
        again = await http.post("/messages/send/ben/", json=body)
        received = await ben.expect("message")
        await path.stop("delivery")
        queued = await http.post("/messages/send/ben/", json={"content": "later"})
    assert (first.status_code, again.status_code, queued.status_code) == (201, 200, 202)
    assert again.json() == {**first.json(), "duplicate": True}
    assert received["message_id"] == first.json()["message_id"]


async def test_messages_sent_together_with_the_end_of_the_socket_are_still_accepted(path: Path) -> None:
    async with path.socket(await path.token_of("ben")) as ben:
        async with path.socket(await path.token_of("ann")) as ann:
            for number in range(5):
                await ann.send(message("ben", str(number)))
        contents = [(await ben.expect("message"))["content"] for _ in range(5)]
    assert contents == [str(number) for number in range(5)]
