"""Each role may do exactly what is written here, for every subject there is, at a real broker with the real config."""

import asyncio
import base64
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import FunctionType
from typing import Final

import nats
import nats.errors
import nkeys
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from deploy.nats.keys import new_seed, public_key
from deploy.nats.permissions import ROLES, Role
from shared.broker.access import inbox_of
from shared.broker.connection import BROKER_ERRORS, Connection
from shared.broker.streams import StreamSettings, log_state, provision
from shared.contracts import subjects
from tests.support.secured import Installation

NOBODY: Final = ""
ASKED_BY: Final = "gateway operator"
MEANT_FOR: Final[dict[str, tuple[str, str]]] = {
    # who may publish, who may hear: by the name of the subject in `shared.contracts.subjects`
    "LOG": (NOBODY, NOBODY),
    "ALL_LOG": ("gateway operator", NOBODY),
    "log": ("gateway operator", NOBODY),
    "ALL_DEAD_LETTERS": (NOBODY, NOBODY),
    "DEAD_DELIVERY": ("delivery", NOBODY),
    "SESSIONS_REVOKED": ("gateway operator", "gateway"),
    "CONVERSATION_CHANGED": ("delivery", "gateway"),
    "ACCOUNT_CHANGED": ("gateway", "gateway"),
    "DEVICE_TAKEN": ("gateway", "gateway"),
    "ALL_RETRIES": ("delivery", NOBODY),
    "retry": ("delivery", NOBODY),
    "ALL_DUE": (NOBODY, NOBODY),  # what the broker alone sends
    "due": (NOBODY, NOBODY),
    "HELLOS_SAID": ("gateway", "delivery"),
    "PRESENCE_EVENTS": (NOBODY, NOBODY),
    "PRESENCE_RESET": ("presence", "gateway"),
    "MEMBERS": (ASKED_BY, "history"),
    "PAGE": (ASKED_BY, "history"),
    "RESUME": (ASKED_BY, "history"),
    "SYNC": (ASKED_BY, "history"),
    "OUTCOMES": (ASKED_BY, "history"),
    "MESSAGE": (ASKED_BY, "history"),
    "CONVERSATIONS": (ASKED_BY, "history"),
    "CONVERSATION": (ASKED_BY, "history"),
    "UNDELIVERED": (ASKED_BY, "history"),
    "TIMELINE": (ASKED_BY, "history"),
    "RECEIPTS": (ASKED_BY, "history"),
    "ACQUAINTED": (ASKED_BY, "history"),
    "PRESENCE": (ASKED_BY, "presence"),
    "SET_PRESENCE": (ASKED_BY, "presence"),
    "RETRY_MESSAGE": (ASKED_BY, "delivery"),
    "LIST_RETRIES": ("operator", "delivery"),
    "PROCESS_RETRIES": ("operator", "delivery"),
    "answers": ("delivery", "gateway"),
    "announcements": ("delivery", "gateway"),
    "typing": ("gateway", "gateway"),
    "presence_of": ("presence", "gateway"),
}
STREAMS: Final = ("CHAT", "DLQ", "RETRY", "KV_presence", "KV_last_seen", "KV_leases")
NO_SUBJECTS: Final = {
    "CHAT_STREAM", "DLQ_STREAM", "RETRY_STREAM", "PRESENCE_BUCKET", "LAST_SEEN_BUCKET", "LEASES_BUCKET", "partition_in",
}  # fmt: skip
API: Final = (
    *(f"$JS.API.STREAM.{verb}" for verb in (
        "CREATE", "UPDATE", "DELETE", "INFO", "PURGE", "SNAPSHOT", "RESTORE", "MSG.GET", "MSG.DELETE",
        "LEADER.STEPDOWN", "PEER.REMOVE",
    )),
    *(f"$JS.API.CONSUMER.{verb}" for verb in ("CREATE", "LIST", "NAMES")),
    "$JS.API.DIRECT.GET",
)  # fmt: skip
API_OF_CONSUMERS: Final = tuple(
    f"$JS.API.CONSUMER.{verb}" for verb in ("CREATE", "DURABLE.CREATE", "DELETE", "INFO", "PAUSE", "MSG.NEXT", "UNPIN")
)
BEYOND_THE_STREAMS: Final = {
    # the operator may call all of JetStream, but for what concerns the broker itself
    "$JS.API.INFO": "operator",
    "$JS.API.STREAM.NAMES": "operator",
    "$JS.API.STREAM.LIST": "operator",
    "$JS.API.ACCOUNT.PURGE.A": NOBODY,
    "$JS.API.SERVER.REMOVE": NOBODY,
    "$JS.API.META.LEADER.STEPDOWN": NOBODY,
    "$SYS.REQ.SERVER.PING": NOBODY,
    "$SYS.REQ.USER.INFO": NOBODY,
    "$KV.presence.s.ben.s1": "gateway presence",
    "$KV.presence.g.g1": "gateway",
    "$KV.presence.other": NOBODY,
    "$KV.last_seen.ben": "presence",
    "$KV.last_seen.ben.more": NOBODY,
    "$KV.leases.presence": "presence",
    "presence.ev.s.ben.s1": NOBODY,
    "of.nobody": NOBODY,
    "_INBOX.x": NOBODY,
    **{f"_INBOX_{role}.x": role for role in ROLES},
}
CALLED: Final = {
    "$JS.API.STREAM.INFO.CHAT": "gateway delivery history presence",
    "$JS.API.STREAM.INFO.DLQ": "delivery",
    "$JS.API.STREAM.INFO.RETRY": "delivery",
    "$JS.API.STREAM.PURGE.CHAT": "delivery",
    "$JS.API.CONSUMER.CREATE.CHAT.c": "delivery",
    "$JS.API.CONSUMER.DELETE.CHAT.c": "delivery",
    "$JS.API.CONSUMER.MSG.NEXT.CHAT.c": "delivery",
    "$JS.API.CONSUMER.MSG.NEXT.RETRY.due": "delivery",
    "$JS.ACK.CHAT.c.1.1.1.1.0": "delivery",
    "$JS.ACK.RETRY.due.1.1.1.1.0": "delivery",
    "$JS.API.DIRECT.GET.KV_presence": "gateway presence",
    "$JS.API.DIRECT.GET.KV_last_seen": "presence",
    "$JS.API.DIRECT.GET.KV_leases": "presence",
    "$JS.API.STREAM.INFO.KV_presence": "presence",
    "$JS.API.STREAM.INFO.KV_last_seen": "presence",
    "$JS.API.STREAM.INFO.KV_leases": "presence",
    "$JS.API.STREAM.CREATE.KV_presence": "presence",
    "$JS.API.STREAM.CREATE.KV_leases": "presence",
    "$JS.API.STREAM.MSG.DELETE.KV_leases": "presence",
}
"""Which calls the services make, of all there are."""
HEARD_BESIDES: Final = {
    "presence.ev.>": "presence",
    **{f"_INBOX_{role}.>": role for role in ROLES},
    **dict.fromkeys(
        (
            ">", "*.>", "chat.>", "chat.p.*", "dlq.>", "retry.>", "due.>", "gw.>", "presence.>", "rpc.>",
            "_INBOX.>", "*.*", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.>", "$KV.>", "$SYS.>",
        ),
        NOBODY,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("secured"))
    made.broker.start()
    yield made
    made.broker.stop()


def named_subjects() -> dict[str, str]:
    """Every subject of the contracts by its name, with something in place of each wildcard and argument."""
    found = {}
    for name, value in vars(subjects).items():
        if name.startswith("_") or name in NO_SUBJECTS:
            continue
        if isinstance(value, FunctionType):
            found[name] = value(*(str(number) for number in range(len(inspect.signature(value).parameters))))
        elif isinstance(value, str):
            found[name] = value.replace("*", "x").replace(">", "x.y")
    return found


def publishers() -> dict[str, str]:
    """Who may publish on which subject: all subjects that there are."""
    expected = {subject: MEANT_FOR[name][0] for name, subject in named_subjects().items()}
    for stream in STREAMS:
        calls = [
            *(f"{call}.{stream}" for call in API),
            *(f"{call}.{stream}.{consumer}" for call in API_OF_CONSUMERS for consumer in ("c", "due")),
            f"$JS.API.DIRECT.GET.{stream}.a.key",
            f"$JS.ACK.{stream}.c.1.1.1.1.0",
            f"$JS.ACK.{stream}.due.1.1.1.1.0",
            f"$JS.FC.{stream}.c.1",
        ]
        for call in calls:
            of_a_consumer = call.replace(".CHAT.due", ".CHAT.c")  # delivery's have any name
            services = CALLED.get(call, CALLED.get(of_a_consumer, NOBODY))
            expected[call] = f"{services} operator" if call.startswith("$JS.API.") else services
    assert set(CALLED) <= set(expected)
    return expected | BEYOND_THE_STREAMS


def hearers() -> dict[str, str]:
    """Who may subscribe to what."""
    return {subject: MEANT_FOR[name][1] for name, subject in named_subjects().items()} | HEARD_BESIDES


class Errors:
    """What the broker said is not allowed."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.said: list[str] = []

    async def note(self, error: Exception) -> None:
        """Note an error."""
        self.said.append(str(error))

    def denied(self, subject: str) -> bool:
        """Tell whether something was not allowed on a subject."""
        return any(f'"{subject.lower()}"' in said and "permissions violation" in said for said in self.said)


@asynccontextmanager
async def client(installation: Installation, role: Role) -> AsyncIterator[tuple[Client, Errors]]:
    errors = Errors()
    connected = await nats.connect(
        installation.broker.url,
        nkeys_seed_str=installation.seed(role),
        inbox_prefix=inbox_of(role),
        error_cb=errors.note,
        allow_reconnect=False,
    )
    try:
        yield connected, errors
    finally:
        await connected.close()


@asynccontextmanager
async def connection(installation: Installation, role: Role) -> AsyncIterator[Connection]:
    opened = Connection(installation.access(role), "tests")
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def test_every_subject_has_its_place() -> None:
    assert set(named_subjects()) == set(MEANT_FOR), "say who may publish and hear what is new"
    assert len({subject.lower() for subject in publishers()}) == len(publishers())


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_publishes_what_it_is_meant_to_and_nothing_else(installation: Installation, role: Role) -> None:
    expected = {subject: role in allowed.split() for subject, allowed in publishers().items()}
    async with client(installation, role) as (connected, errors):
        for subject in expected:
            await connected.publish(subject, b"")
        for _ in range(2):
            await connected.flush()
        assert [subject for subject, may in expected.items() if errors.denied(subject) is may] == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_hears_what_it_is_meant_to_and_nothing_else(installation: Installation, role: Role) -> None:
    expected = {subject: role in allowed.split() for subject, allowed in hearers().items()}
    async with client(installation, role) as (connected, errors):
        for subject in expected:
            await connected.subscribe(subject)
            await connected.subscribe(subject, queue="any")
        for _ in range(2):
            await connected.flush()
        assert [subject for subject, may in expected.items() if errors.denied(subject) is may] == []


async def test_an_answer_goes_to_who_asked_and_only_once(installation: Installation) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with client(installation, "gateway") as (asker, _), client(installation, "history") as (asked, errors):

        async def answer(question: Msg) -> None:
            await question.respond(b"first")
            await question.respond(b"second")

        async def hear(message: Msg) -> None:
            await heard.put(message.data)

        await asked.subscribe(subjects.MEMBERS, cb=answer)
        for _ in range(2):  # nats-py's ping goes before what waits to be written
            await asked.flush()
        inbox = asker.new_inbox()
        await asker.subscribe(inbox, cb=hear)
        await asker.publish(subjects.MEMBERS, b"", reply=inbox)
        async with asyncio.timeout(10):
            assert await heard.get() == b"first"
            while not errors.denied(inbox):  # noqa: ASYNC110 - nats-py has no event for it
                await asyncio.sleep(0.01)
        assert heard.empty()


async def test_nobody_but_the_operator_can_delete_the_log(installation: Installation) -> None:
    async with connection(installation, "operator") as operator:
        await provision(operator, StreamSettings())
        before = await log_state(operator)
        for role in ROLES[:-1]:
            async with connection(installation, role) as other:
                with pytest.raises(BROKER_ERRORS):
                    await other.jetstream(1).delete_stream(subjects.CHAT_STREAM)
        assert (await log_state(operator)).log_id == before.log_id
        await operator.jetstream(5).delete_stream(subjects.CHAT_STREAM)
        with pytest.raises(nats.errors.Error):
            await log_state(operator)


@pytest.mark.parametrize("who", ["nobody", "a key of its own", "a public key of another", "a password", "a token"])
async def test_a_stranger_is_not_let_in(installation: Installation, who: str) -> None:
    seed = new_seed()

    def credentials(nonce: str) -> dict[str, str]:
        pair = nkeys.from_seed(seed.encode())
        signature = base64.urlsafe_b64encode(pair.sign(nonce.encode())).rstrip(b"=").decode()
        return {
            "nobody": {},
            "a key of its own": {"nkey": public_key(seed), "sig": signature},
            "a public key of another": {"nkey": public_key(installation.seed("operator")), "sig": signature},
            "a password": {"user": "operator", "pass": "operator"},
            "a token": {"auth_token": "operator"},
        }[who]

    # nats-py leaves its socket open where it is refused
    reader, writer = await asyncio.open_connection("127.0.0.1", installation.broker.port)
    try:
        async with asyncio.timeout(10):
            greeting = json.loads((await reader.readline()).removeprefix(b"INFO "))
            hello = {"verbose": False, "lang": "tests", "version": "1", "protocol": 1, **credentials(greeting["nonce"])}
            writer.write(f"CONNECT {json.dumps(hello)}\r\nPING\r\n".encode())
            assert await reader.read() == b"-ERR 'Authorization Violation'\r\n"
    finally:
        writer.close()
