"""The browser client's types of frames and HTTP bodies are the gateway's: its own compiler says where they differ."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, get_args, get_type_hints

import pytest
from msgspec import Struct

from services.gateway.api import (
    accounts,
    conversations,
    messages,
    people,
    presence,
    problems,
    profile,
    progress,
    queue,
    shapes,
    sync,
    typing,
)
from services.gateway.protocol import closing, inbound, outbound
from services.gateway.protocol.closing import Closing
from services.gateway.ws.endpoint import SUBPROTOCOL
from services.history.domain.progress import PageMessage
from shared.contracts import frames
from tests.support.typescript import TypeScript

WEB: Final = Path(__file__).parents[2] / "services" / "gateway" / "web"
PROTOCOL: Final = WEB / "src" / "protocol.ts"
COMPILE_S: Final = 60

MESSAGE: Final = TypeScript().without(frames.MessageView, "type")
MESSAGE_ITEM: Final = TypeScript().without(PageMessage, "type")
CONVERSATION: Final = TypeScript(stand_ins={object: f"{MESSAGE_ITEM} | null"}).of(frames.ConversationView)
SENT: Final = TypeScript(
    stand_ins={
        "Raw": MESSAGE,
        shapes.SyncedMessage: MESSAGE,
        shapes.MessageItem: MESSAGE_ITEM,
        conversations.ConversationItem: CONVERSATION,
    }
)
"""What the server sends; where it passes on what another service has written, as that one writes it."""
TAKEN: Final = TypeScript(is_taken=True)

SAME: Final = {
    "Message": MESSAGE,
    "MessageFrame": SENT.always_with(frames.MessageView, "type"),
    "MessageItem": MESSAGE_ITEM,
    "WelcomeFrame": SENT.of(outbound.Welcome),
    "CaughtUpFrame": SENT.of(outbound.CaughtUp),
    "AckFrame": SENT.of(outbound.Ack),
    "MessageStatusFrame": SENT.of(frames.StatusFrame),
    "TypingFrame": SENT.of(frames.TypingFrame),
    "ReceiptFrame": SENT.of(frames.ReceiptFrame),
    "UserStatusFrame": SENT.of(frames.UserStatusFrame),
    "SyncPageFrame": SENT.of(outbound.SyncPage),
    "ResyncFrame": SENT.of(outbound.Resync),
    "ErrorFrame": SENT.of(outbound.Error),
    "GoodbyeFrame": SENT.of(closing.Goodbye),
    "PingFrame": SENT.of(outbound.ServerPing),
    "PongFrame": SENT.of(outbound.ServerPong),
    "User": SENT.of(outbound.Me),
    "Problem": SENT.of(problems.Problem),
    "SignedIn": SENT.of(accounts.SignedIn),
    "Session": SENT.of(accounts.SessionView),
    "Profile": SENT.of(profile.OwnUserView),
    "Settings": SENT.of(profile.ChoicesView),
    "Person": SENT.of(people.PersonView),
    "BlockedPerson": SENT.of(people.BlockView),
    "MemberCursor": SENT.of(outbound.MemberCursor),
    "PeerCursor": SENT.of(shapes.PeerCursor),
    "MemberView": SENT.of(frames.MemberView),
    "ConversationView": CONVERSATION,
    "Belongings": SENT.of(conversations.MySettings),
    "HistoryPage": SENT.of(shapes.HistoryPage[shapes.MessageItem]),
    "MessageList": SENT.of(shapes.MessageList[shapes.MessageItem]),
    "SyncPage": SENT.of(shapes.SyncPage[shapes.SyncedMessage]),
    "Synced": SENT.of(shapes.Synced[shapes.SyncedMessage]),
    "PresenceItem": SENT.of(shapes.PresenceItem),
    "SentMessage": SENT.of(shapes.SentMessage),
    "QueuedMessage": SENT.of(shapes.QueuedMessage),
    "CursorView": SENT.of(shapes.CursorView),
    "MessageStatus": SENT.of(shapes.MessageStatus),
    "AttemptView": SENT.of(progress.AttemptView),
    "RecipientProgress": SENT.of(progress.RecipientProgress),
    "Timeline": SENT.of(progress.MessageTimeline),
    "QueueItem": SENT.of(queue.QueueItem),
}
"""Types of the client by name, and what the server always or sometimes sends: the very same."""

FITS: Final = {
    "MessageStatusFrame": SENT.of(outbound.MessageStatus),
    "ResyncFrame": SENT.of(frames.ResyncFrame),
    "UserStatusFrame": SENT.of(outbound.UserStatus),
}
"""Frames of which one service sends only some of the kinds, and the type that it writes them by."""

ACCEPTED: Final = {
    "HelloFrame": TAKEN.of(inbound.Hello),
    "SendFrame": TAKEN.of(inbound.SendRequest),
    "SendReceiptFrame": TAKEN.of(inbound.ReadReceipt),
    "SyncFrame": TAKEN.of(inbound.SyncRequest),
    "SendStatusFrame": TAKEN.of(inbound.StatusRequest),
    "SendTypingFrame": TAKEN.of(inbound.TypingRequest),
    "PingFrame": TAKEN.of(inbound.Ping),
    "Omit<SendFrame, 'type' | 'to' | 'conversation_id'>": TAKEN.of(messages.NewMessage),
}
"""What the client sends, and what the server takes: the client may leave out what is optional, and invent nothing."""

ANSWERS: Final = {
    "register": SENT.of(accounts.SignedIn),
    "login": SENT.of(accounts.SignedIn),
    "me": SENT.of(profile.Me),
    "changeMe": SENT.of(profile.Me),
    "chosenPresence": SENT.of(presence.ChosenPresence),
    "choosePresence": SENT.of(presence.ChosenPresence),
    "sessions": SENT.of(accounts.Sessions),
    "conversations": SENT.of(conversations.ConversationList[conversations.ConversationItem]),
    "conversation": CONVERSATION,
    "keep": SENT.of(conversations.MySettings),
    "messages": SENT.of(shapes.MessageList[shapes.MessageItem]),
    "history": SENT.of(shapes.HistoryPage[shapes.MessageItem]),
    "message": MESSAGE_ITEM,
    "messageStatus": SENT.of(shapes.MessageStatus),
    "timeline": SENT.of(progress.MessageTimeline),
    "redrive": SENT.of(queue.RetriedItems),
    "send": f"{SENT.of(shapes.SentMessage)} | {SENT.of(shapes.QueuedMessage)}",
    "moveCursor": SENT.of(shapes.CursorView),
    "sync": SENT.of(shapes.Synced[shapes.SyncedMessage]),
    "people": SENT.of(people.FoundPeople),
    "person": SENT.of(people.PersonView),
    "presence": SENT.of(shapes.PresenceItem),
    "blocked": SENT.of(people.Blocks),
}
"""Functions of the client that ask, and what is answered."""

QUESTIONS: Final = {
    ("changeMe", 0): TAKEN.of(profile.ProfileChange),
    ("keep", 1): TAKEN.of(conversations.MySettingsChange),
    ("moveCursor", 1): TAKEN.of(messages.CursorMove),
    ("typing", 1): " | ".join(map(json.dumps, get_args(get_type_hints(typing.TypingBody)["state"]))),
    ("choosePresence", 0): " | ".join(map(json.dumps, get_args(get_type_hints(presence.ChosenPresence)["status"]))),
    ("sync", 0): TAKEN.of(sync.SyncQuestion),
}
"""Functions of the client with the place of the argument that is sent as the body, or as its only field."""

HELPERS: Final = """
type Identical<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type IsOptional<A, K extends keyof A> = {} extends Pick<A, K> ? true : false;
type IsSameField<A, B, K extends keyof A & keyof B> =
  Identical<[A[K], IsOptional<A, K>], [B[K], IsOptional<B, K>]>;
type OtherFields<A, B> = {
  [K in keyof A | keyof B]-?: K extends keyof A & keyof B ? IsSameField<A, B, K> extends true ? never : K : K;
}[keyof A | keyof B];
/** The names of the fields that are not the same in both; "(whole)": they differ, but in no field. */
type Differences<A, B> =
  Identical<A, B> extends true ? never : [OtherFields<A, B>] extends [never] ? '(whole)' : OtherFields<A, B>;
type UnknownFields<Value, Wanted> = Wanted extends object ? Exclude<keyof Value, keyof Wanted> : never;
/** Why a value of the one type is none of the other: fields that are not known there, or "(value)". */
type Misfits<Value, Wanted> =
  [UnknownFields<Value, Wanted>] extends [never] ? (Value extends Wanted ? never : '(value)')
  : UnknownFields<Value, Wanted>;
type None<T extends never> = T;
"""


def checks(protocol: Path = PROTOCOL) -> str:
    """Write a module that compiles where nothing differs; each difference is an error in a line of its own."""
    lines = [
        f"import type * as client from {json.dumps(str(protocol.with_suffix('')))};",
        f"import type * as api from {json.dumps(str(WEB / 'src' / 'api' / 'endpoints'))};",
        f"import type {{ STOPS }} from {json.dumps(str(WEB / 'src' / 'link' / 'closing'))};",
        *HELPERS.splitlines(),
    ]

    def check(kind: str, mine: str, servers: str) -> None:
        lines.append(f"export type Check{len(lines)} = None<{kind}<{mine}, {servers}>>;")

    for name, servers in SAME.items():
        check("Differences", f"client.{name}", servers)
    for name, servers in FITS.items():
        check("Misfits", servers, f"client.{name}")
    for name, servers in ACCEPTED.items():
        check("Misfits", name.replace("SendFrame", "client.SendFrame") if "<" in name else f"client.{name}", servers)
    for name, servers in ANSWERS.items():
        check("Differences", f"Awaited<ReturnType<typeof api.{name}>>", servers)
    for (name, place), servers in QUESTIONS.items():
        check("Misfits", f"Exclude<Parameters<typeof api.{name}>[{place}], undefined>", servers)
    sent, taken = (" | ".join(map(json.dumps, sorted(names))) for names in (_sent_frames(), inbound.TYPES))
    check("Differences", "client.ServerFrame['type']", sent)
    check("Differences", "client.ClientFrame['type']", taken)
    check("Differences", "typeof client.VERSION", str(inbound.VERSION))
    check("Differences", "typeof client.SUBPROTOCOL", json.dumps(SUBPROTOCOL))
    for why in (each for each in vars(closing).values() if isinstance(each, Closing)):
        check("Exclude" if not why.may_reconnect else "Extract", str(why.close_code), "keyof typeof STOPS")
    return "\n".join(lines)


def test_the_clients_types_are_the_gateways(tmp_path: Path) -> None:
    errors = compile_checks(tmp_path, checks())
    assert not errors, f"protocol.ts or endpoints.ts differ from the gateway:\n{errors}"


@pytest.mark.parametrize(
    ("was", "planted", "where", "told"),
    [
        pytest.param("  duplicate: boolean;", "  repeated: boolean;", "AckFrame", "duplicate", id="another name"),
        pytest.param("  sent_at: Time;", "  sent_at: number;", "Message", "sent_at", id="another type"),
        pytest.param("  sent_at: Time;", "  sent_at?: Time;", "Message", "sent_at", id="optional, but always sent"),
        pytest.param(
            "  ttl_ms: number;", "  ttl_ms: number;\n  x?: string;", "TypingFrame", "x", id="an invented field"
        ),
        pytest.param("  reply_to?: MessageId;", "  reply_to: MessageId;", "Message", "reply_to", id="may be left out"),
        pytest.param(
            "  reply_to?: MessageId;", "  reply_to: MessageId | null;", "Message", "reply_to", id="never null"
        ),
        pytest.param(
            "  accepted_at: Time | null;", "  accepted_at: Time;", "Timeline", "accepted_at", id="may be null"
        ),
        pytest.param("'sent' | 'retrying' |", "'sent' |", "MessageStatusFrame", "status", id="a word less"),
        pytest.param("  user: User;", "  user: Person;", "WelcomeFrame", "user", id="another type inside"),
        pytest.param("  device_id: string;", "  device: string;", "HelloFrame", "device", id="the server needs it"),
        pytest.param("  seen_seq?: number;", "  seen?: number;", "SendFrame", "seen", id="the server does not know it"),
        pytest.param(
            "  after_rev: number;", "  after_rev: string;", "SyncFrame", "(value)", id="the server refuses it"
        ),
        pytest.param("VERSION = 1", "VERSION = 2", "VERSION", "(whole)", id="another version"),
        pytest.param("  | ResyncFrame", "", "ServerFrame['type']", "(whole)", id="a frame is missing"),
    ],
)
def test_a_planted_difference_is_found(tmp_path: Path, was: str, planted: str, where: str, told: str) -> None:
    source = PROTOCOL.read_text()
    assert was in source
    changed = tmp_path / "protocol.ts"
    changed.write_text(source.replace(was, planted))
    errors = compile_checks(tmp_path, checks(changed))
    assert any(f"client.{where}," in error and f'"{told}"' in error for error in errors.split("export type ")), errors


def test_a_close_code_that_the_client_does_not_know_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        closing, "ANOTHER", Closing(4999, "another", "Never come back.", may_reconnect=False), raising=False
    )
    assert "4999" in compile_checks(tmp_path, checks())


def _sent_frames() -> set[str]:
    structs = [each for module in (outbound, closing) for each in vars(module).values() if isinstance(each, type)]
    tags = {each.__struct_config__.tag for each in structs if issubclass(each, Struct) and each.__struct_config__.tag}
    dicts = [each for each in vars(frames).values() if isinstance(each, type) and "type" in get_type_hints(each)]
    return {str(tag) for tag in tags} | {str(word) for each in dicts for word in get_args(get_type_hints(each)["type"])}


def compile_checks(directory: Path, source: str) -> str:
    """Compile a module beside the client's; returns the errors, each with the line that it is in."""
    (directory / "checks.ts").write_text(source)
    options = {"types": [], "noUnusedLocals": False}
    config = {"extends": str(WEB / "tsconfig.json"), "compilerOptions": options, "files": ["checks.ts"], "include": []}
    (directory / "tsconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [*compiler(), "-p", str(directory), "--pretty", "false"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=COMPILE_S,
        check=False,
    )
    assert done.returncode == 0 or "error TS" in done.stdout, done.stdout + done.stderr
    lines = source.splitlines()
    return "\n".join(_with_line(error, lines) for error in done.stdout.splitlines())


def _with_line(error: str, lines: list[str]) -> str:
    if not error.startswith("checks.ts("):
        return error
    number = int(error.removeprefix("checks.ts(").partition(",")[0])
    return f"{lines[number - 1][:100]}…\n    {error}"


def compiler() -> list[str]:
    """Find the client's compiler and a Node.js to run it."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    tsc = WEB / "node_modules" / "typescript" / "bin" / "tsc"
    if node is not None and tsc.exists():
        return [node, str(tsc)]
    missing = "the browser client's tools are not installed: run `make web` first"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
