"""Typing: told to the other members at once, on all their devices, and to nobody else."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa

from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.events import ConversationChanged
from shared.contracts.ids import ConversationId, UserId
from shared.database import tables
from tests.support.gateway import problem_of
from tests.support.sockets import Path, whole_path
from tests.support.typing import befriend, block, change, is_passed, make_group, nothing_typed, shown, typing, user_id


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url, announce_shards=3) as running:
        yield running


async def tell_changed(path: Path, conversation: str) -> None:
    """Say that members or blocks changed, as delivery does, and wait until it has come to the broker."""
    connection = Connection(path.settings.nats_url, "test")
    await connection.open()
    change = ConversationChanged(ConversationId(conversation), [])
    await connection.publish(subjects.CONVERSATION_CHANGED, msgspec.json.encode(change))
    assert await connection.flushed(5)
    await connection.close()


async def test_typing_is_shown_on_all_devices_of_the_other_and_on_none_of_the_own(path: Path) -> None:
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    async with (
        path.socket(ann) as typist,
        path.socket(ann, "phone") as phone,
        path.socket(ben) as one,
        path.socket(ben, "phone") as other,
    ):
        conversation = await befriend(typist, "ben")
        await typist.send(typing("ben"))
        for wire in (one, other):
            assert await wire.expect("typing") == shown(conversation, "ann")
        await phone.send(typing(conversation, "stop"))
        for wire in (one, other):
            assert await wire.expect("typing") == shown(conversation, "ann", "stop")
        await one.send(typing("ANN"))
        assert await typist.expect("typing") == await phone.expect("typing") == shown(conversation, "ben")
        await nothing_typed(one, other, typist, phone)


async def test_typing_crosses_gateways(path: Path) -> None:
    await path.start("second gateway")
    ann, ben = await path.token_of("ann"), await path.token_of("ben")
    async with path.socket(ann) as here, path.socket(ben, at="second gateway") as there:
        conversation = await befriend(here, "ben")
        await here.send(typing(conversation))
        assert await there.expect("typing") == shown(conversation, "ann")
        await there.send(typing(conversation))
        assert await here.expect("typing") == shown(conversation, "ben")
        async with path.socket(ann, "phone", at="second gateway") as phone:
            await phone.send(typing(conversation, "stop"))  # at a gateway that did not hear of the start
            assert await there.expect("typing") == shown(conversation, "ann", "stop")


async def test_whoever_has_no_business_there_is_refused_without_re(path: Path) -> None:
    ann, ben, eve = [await path.token_of(name) for name in ("ann", "ben", "eve")]
    left = [(await user_id(path, ann), "ann"), (await user_id(path, ben), "ben"), (await user_id(path, eve), "eve")]
    group = await make_group(path, left, left=[left[2][0]])
    async with path.socket(ann) as member, path.socket(ben) as other, path.socket(eve) as stranger:
        conversation = await befriend(member, "ben")
        refused: list[tuple[dict[str, object], str]] = [
            (typing(conversation), "not_found"),
            (typing("d" + "a" * 24), "not_found"),
            (typing("ann"), "not_found"),  # there is no conversation with her yet
            (typing("nobody"), "not_found"),
            (typing(group), "not_member"),
            (typing("no name"), "invalid"),
            (typing("eve"), "invalid"),
            ({"type": "typing", "state": "start"}, "invalid"),
            ({"type": "typing", "state": "start", "to": "ann", "conversation_id": conversation}, "invalid"),
            ({"type": "typing", "state": "begin", "to": "ann"}, "invalid"),
            ({"type": "typing", "to": "ann"}, "invalid"),
            ({"type": "typing", "state": "start", "conversation_id": "a b"}, "invalid"),
        ]
        for frame, code in refused:
            for state in ("start", "stop") if frame.get("state") == "start" else (frame.get("state"),):
                await stranger.send(frame | ({"state": state} if state else {}))
                error = await stranger.expect("error")
                assert (error["code"], error.get("re"), error["retryable"]) == (code, None, False), frame
        await nothing_typed(member, other)


async def test_everybody_in_a_group_sees_who_types_but_not_in_one_that_is_too_large(
    sqlite_url: str, nats_url: str
) -> None:
    names = ["ann", "ben", "cat", "dan"]
    async with whole_path(sqlite_url, nats_url, limit_typing_members=4, announce_shards=5) as path:
        tokens = [await path.token_of(name) for name in names]
        members = [(await user_id(path, token), name) for token, name in zip(tokens, names, strict=True)]
        group = await make_group(path, members)
        large = await make_group(path, [*members, (UserId("u-fay"), "fay")])
        async with (
            path.socket(tokens[0]) as ann,
            path.socket(tokens[1]) as ben,
            path.socket(tokens[2]) as cat,
            path.socket(tokens[3]) as dan,
        ):
            await ann.send(typing(large))
            error = await ann.expect("error")
            assert (error["code"], error.get("re"), list(error["fields"])) == ("invalid", None, ["conversation_id"])
            await ann.send(typing(group))
            for wire in (ben, cat, dan):
                assert await wire.expect("typing") == shown(group, "ann")
            await nothing_typed(ann, ben, cat, dan)


async def test_a_member_who_was_removed_hears_nothing_more(path: Path) -> None:
    ann, ben, eve = [await path.token_of(name) for name in ("ann", "ben", "eve")]
    members = [(await user_id(path, token), name) for token, name in ((ann, "ann"), (ben, "ben"), (eve, "eve"))]
    group = await make_group(path, members)
    async with path.socket(ann) as typist, path.socket(ben) as member, path.socket(eve) as former:
        await typist.send(typing(group))
        assert await former.expect("typing") == await member.expect("typing") == shown(group, "ann")
        await remove(path, group, members[2][0])
        await typist.send(typing(group, "stop"))
        assert await member.expect("typing") == shown(group, "ann", "stop")
        await former.send(typing(group))
        assert (await former.expect("error"))["code"] == "not_member"
        await nothing_typed(former, member)


@pytest.mark.parametrize("blocker", ["ann", "ben"])
async def test_where_a_block_lies_between_nobody_sees_the_other_type(path: Path, blocker: str) -> None:
    tokens = {"ann": await path.token_of("ann"), "ben": await path.token_of("ben")}
    async with path.socket(tokens["ann"]) as ann, path.socket(tokens["ben"]) as ben:
        conversation = await befriend(ann, "ben")
        await ann.send(typing(conversation))
        await ben.expect("typing")
        await block(path, tokens, blocker)
        for wire, peer in ((ann, "ben"), (ben, "ann")):
            for where in (conversation, peer):
                for state in ("start", "stop"):
                    await wire.send(typing(where, state))
            await is_passed(wire)
        await nothing_typed(ann, ben)
        assert [frame for frame in ann.passed + ben.passed if frame["type"] == "error"] == []
        await block(path, tokens, blocker, is_blocked=False)
        await ben.send(typing(conversation))
        assert await ann.expect("typing") == shown(conversation, "ben")


async def test_who_chose_not_to_show_it_types_unseen(path: Path) -> None:
    token = await path.token_of("ann")
    unseen = sa.update(tables.account).where(tables.account.c.id == await user_id(path, token)).values(typing=False)
    await path.start("second gateway")  # which remembers nobody yet
    await change(path, unseen)
    async with path.socket(token, at="second gateway") as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = await befriend(ann, "ben")
        for state in ("start", "stop"):
            await ann.send(typing(conversation, state))
        await is_passed(ann)
        await nothing_typed(ben, ann)
        await ben.send(typing(conversation))
        assert await ann.expect("typing") == shown(conversation, "ben")


async def test_while_nobody_can_tell_who_is_in_a_conversation_typing_there_is_dropped(path: Path) -> None:
    async with path.socket(await path.token_of("ann")) as ann, path.socket(await path.token_of("ben")) as ben:
        conversation = await befriend(ann, "ben")
        await path.start("second gateway")
        async with path.socket(await path.token_of("eve"), at="second gateway") as eve:
            await path.stop("history")
            await eve.send(typing(conversation))
            await eve.send({"type": "message", "id": "m", "conversation_id": conversation, "content": "hi"})
            error = await eve.expect("error")  # from delivery, behind the typing
            assert (error["code"], error["re"]) == ("not_found", "m")
            assert eve.passed == []
        await nothing_typed(ann, ben)


async def test_by_http_the_same_is_told_and_refused(path: Path) -> None:
    tokens = [await path.token_of(name) for name in ("ann", "ben", "eve")]
    async with (
        path.socket(tokens[0]) as ann,
        path.http(tokens[1]) as ben,
        path.http(tokens[2]) as eve,
    ):
        conversation = await befriend(ann, "ben")
        where = f"/api/v1/conversations/{conversation}/typing"
        for state in ("start", "stop"):
            told = await ben.post(where, json={"state": state})
            assert (told.status_code, told.content) == (204, b"")
            assert await ann.expect("typing") == shown(conversation, "ben", state)
        assert (await ben.post(where, json={"state": "start"})).status_code == 204  # too soon
        await nothing_typed(ann)
        problem_of(await eve.post(where, json={"state": "start"}), 404, "not_found")
        problem_of(await eve.post(where.replace(conversation, "a.b"), json={"state": "start"}), 404, "not_found")
        for body in ({}, {"state": "begin"}, {"state": None}):
            assert "state" in problem_of(await ben.post(where, json=body), 400, "invalid")["errors"]


async def remove(path: Path, conversation: str, user: UserId) -> None:
    """Take a member out of a group, as delivery will."""
    where = tables.member.c.conversation_id == conversation, tables.member.c.user_id == user
    await change(path, sa.update(tables.member).where(*where).values(left_rev=1))
    await tell_changed(path, conversation)
    await hears_what_was_told(path)


async def hears_what_was_told(path: Path) -> None:
    """Have the gateway ask over its own connection: what came to the broker before comes before the reply."""
    async with path.gateways["gateway"].browser() as browser:
        (await browser.get("/health/ready")).raise_for_status()
