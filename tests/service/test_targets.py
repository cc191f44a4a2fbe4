"""Who may speak where, as a gateway remembers it: never longer than it is true, as far as that can be known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from services.gateway.commands.targets import Targets
from services.gateway.domain import User
from shared.broker.connection import Connection
from shared.contracts import subjects
from shared.contracts.errors import Code, Refusal
from shared.contracts.events import ConversationChanged
from shared.contracts.ids import ConversationId, UserId, Username
from shared.contracts.queries import Member, Members
from tests.support.delivery import eventually
from tests.support.nats import NatsServer
from tests.support.sockets import Path, ask, message, whole_path

ANN, BEN = UserId("u-ann"), UserId("u-ben")
GROUP = ConversationId("g1")
BLOCK = "/api/v1/users/ann/block"


@pytest_asyncio.fixture
async def path(sqlite_url: str, nats_url: str) -> AsyncIterator[Path]:
    async with whole_path(sqlite_url, nats_url) as running:
        yield running


@dataclass
class Answering:
    """A history that answers when it is told to."""

    targets: Targets
    connection: Connection
    asked: int = 0
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def change(self) -> None:
        """Say that the group changed."""
        change = ConversationChanged(GROUP, [])
        await self.connection.publish(subjects.CONVERSATION_CHANGED, msgspec.json.encode(change))
        assert await self.connection.flushed(5)

    def is_remembered(self) -> bool:
        """Tell whether the gateway knows the group by heart."""
        return self.targets.known_member(ANN, GROUP) is not None


@asynccontextmanager
async def answering(nats_url: str) -> AsyncIterator[Answering]:
    """Ask a history of the test's own, which knows one group."""
    connection, gateway = Connection(nats_url, "test-history"), Connection(nats_url, "test-gateway")
    await connection.open()
    await gateway.open()
    members = Members("group", [Member(ANN, Username("ann"), 0, 0), Member(BEN, Username("ben"), 0, 0)])

    async def answer(question: Msg) -> None:
        running.asked += 1
        await running.answers.wait()
        await question.respond(msgspec.json.encode(members))

    async def nobody(_username: Username) -> User | None:
        return None

    running = Answering(Targets(gateway, nobody, 4), connection)
    await running.targets.listen()
    await connection.client.subscribe(subjects.MEMBERS, cb=answer)
    for each in (connection, gateway):
        assert await each.flushed(5)
    yield running
    await connection.close()
    await gateway.close()


async def test_what_changes_while_it_is_asked_for_is_not_remembered(nats_url: str) -> None:
    async with answering(nats_url) as history, asyncio.TaskGroup() as tasks:
        heard: list[ConversationId] = []
        history.targets.on_changed.append(heard.append)
        finding = tasks.create_task(history.targets.find_member(ANN, GROUP))
        await eventually(lambda: history.asked == 1)
        await history.change()
        await eventually(lambda: heard == [GROUP])
        history.answers.set()
        assert (await finding).conversation_id == GROUP
        assert not history.is_remembered()
        await history.targets.find_member(ANN, GROUP)
        assert history.is_remembered()
        await history.change()
        await eventually(lambda: not history.is_remembered())


async def test_strangers_are_refused_from_memory(nats_url: str) -> None:
    async with answering(nats_url) as history:
        history.answers.set()
        await history.targets.find_member(ANN, GROUP)
        for _ in range(3):
            with pytest.raises(Refusal) as refused:
                history.targets.known_member(UserId("u-eve"), GROUP)
            assert refused.value.code is Code.NOT_FOUND
        assert history.asked == 1


async def test_a_broker_that_was_away_may_have_told_of_changes(nats_server: NatsServer) -> None:
    async with answering(nats_server.url) as history:
        history.answers.set()
        await history.targets.find_member(ANN, GROUP)
        assert history.is_remembered()
        await asyncio.to_thread(nats_server.restart)
        await eventually(lambda: not history.is_remembered())


async def test_a_blocked_message_is_refused_but_a_repeat_of_a_stored_one_is_answered(path: Path) -> None:
    token = await path.token_of("ben")
    async with path.socket(await path.token_of("ann")) as ann, path.socket(token) as ben, path.http(token) as blocking:
        first = message("ben") | {"id": "first"}
        conversation = str((await ask(ann, first, "ack"))["conversation_id"])
        answered(await blocking.put(BLOCK))
        here = {"type": "message", "conversation_id": conversation, "content": "hi"}
        told = await ask(ann, here | {"id": "second"}, "error")
        assert (told["code"], told["detail"]) == ("blocked", "You can't write to ben.")
        told = await ask(ben, here | {"id": "third"}, "error")
        assert (told["code"], told["detail"]) == ("blocked", "You blocked ann. Unblock to write.")
        assert (await ask(ann, message("ben"), "error"))["code"] == "blocked"
        again = await ask(ann, here | {"id": "first"}, "ack")
        assert (again["duplicate"], again["seq"]) == (True, 1)
        answered(await blocking.delete(BLOCK))
        assert (await ask(ann, here | {"id": "second"}, "ack"))["seq"] == 2


def answered(response: httpx.Response) -> None:
    assert response.status_code == 204, response.text
