"""A gateway in memory, just enough of the protocol page to try the suite's client on, with faults."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from deploy.verify.history import Final, Row, digest

Frame = dict[str, Any]
TIME = "2026-11-22T10:00:00.000Z"


@dataclass(frozen=True)
class Faults:
    """How often, from 0 to 1, something goes wrong that a right client must survive."""

    drop_before_store: float = 0.0
    drop_after_store: float = 0.0
    lose_announcement: float = 0.0
    lose_ack: float = 0.0


@dataclass(frozen=True)
class Bugs:
    """How often, from 0 to 1, the gateway breaks a promise."""

    ack_without_store: float = 0.0
    ignore_ids: float = 0.0
    skip_in_replay: float = 0.0


@dataclass
class FakeGateway:
    """Conversations of two, in memory; a token is a username."""

    faults: Faults = field(default_factory=Faults)
    bugs: Bugs = field(default_factory=Bugs)
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    talks: dict[str, list[Frame]] = field(default_factory=dict)
    cursors: dict[tuple[str, str], int] = field(default_factory=dict)
    sockets: dict[str, set[ServerConnection]] = field(default_factory=dict)
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Listen on a free port; yield the address."""
        async with serve(self._serve, "127.0.0.1", 0, ping_interval=None) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield f"http://127.0.0.1:{self.port}"

    def final(self, user: str, peer: str) -> Final:
        """Return what a reader of the history would find."""
        talk = _talk(user, peer)
        rows = tuple(
            Row(row["seq"], row["message_id"], row["sender"], digest(row["content"]))
            for row in self.talks.get(talk, [])
        )
        seen = self.cursors.get((talk, peer), 0)
        return Final(
            user=user,
            conversation_id=talk,
            rows=rows,
            peer=peer,
            peer_delivered_seq=seen,
            peer_read_seq=0,
        )

    async def resync_all(self) -> None:
        """Tell all sockets to say hello again, as a gateway does that may have lost an announcement."""
        for sockets in list(self.sockets.values()):
            for socket in list(sockets):
                await _send(socket, {"type": "resync", "reason": "broker_reconnect"})

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        user = socket.request.headers["Authorization"].removeprefix("Bearer ")
        try:
            async for data in socket:
                await self._take(socket, user, json.loads(data))
        except ConnectionClosed:
            pass
        finally:
            self.sockets.get(user, set()).discard(socket)

    async def _take(self, socket: ServerConnection, user: str, frame: Frame) -> None:
        match frame["type"]:
            case "hello":
                await self._hello(socket, user, frame["cursors"])
            case "message":
                await self._message(socket, user, frame)
            case "read_receipt":
                talk = frame["conversation_id"]
                seq = max(frame["up_to_seq"], self.cursors.get((talk, user), 0))
                self.cursors[talk, user] = seq
                await self._announce(talk, _receipt(talk, user, seq))
            case "sync":
                talk, after = frame["conversation_id"], frame["after_rev"]
                rows = self.talks[talk][after : after + frame["limit"]]
                rev = rows[-1]["rev"] if rows else after
                page = {"messages": rows, "members": [], "rev": rev, "conversation_id": talk}
                complete = rev == len(self.talks[talk])
                answer = {"type": "sync_page", "re": frame["id"], "complete": complete}
                await _send(socket, answer | page)

    async def _hello(self, socket: ServerConnection, user: str, cursors: dict[str, int]) -> None:
        await _send(socket, {"type": "welcome", "epoch": "e1", "heartbeat_ms": 20_000})
        heads = {}
        for talk, rows in [item for item in self.talks.items() if user in item[0].split(".")]:
            heads[talk] = len(rows)
            for row in rows[cursors.get(talk, self.cursors.get((talk, user), 0)) : heads[talk]]:
                if not self._happens(self.bugs.skip_in_replay):
                    await _send(socket, {"type": "message"} | _for(row, user))
            for member in talk.split("."):
                if seq := self.cursors.get((talk, member), 0):
                    await _send(socket, _receipt(talk, member, seq))
        # What was announced while the replay was written is a hole for the client, then a sync.
        await _send(socket, {"type": "caught_up", "replayed": 0, "cursors": heads})
        self.sockets.setdefault(user, set()).add(socket)

    async def _message(self, socket: ServerConnection, user: str, frame: Frame) -> None:
        if self._happens(self.faults.drop_before_store):
            await socket.close(1011)
            return
        talk = _talk(user, frame["to"])
        rows = self.talks.setdefault(talk, [])
        known = next((row for row in rows if row["id"] == frame["id"]), None)
        if known is not None and not self._happens(self.bugs.ignore_ids):
            await _send(socket, _ack(known, frame["id"], duplicate=True))
            return
        row = {
            "message_id": f"m{user}{frame['id']}{len(rows)}",
            "conversation_id": talk,
            "seq": len(rows) + 1,
            "rev": len(rows) + 1,
            "sender": user,
            "content": frame["content"],
            "id": frame["id"],
        }
        if not self._happens(self.bugs.ack_without_store):
            rows.append(row)
        if self._happens(self.faults.drop_after_store):
            await socket.close(1011)
            return
        if not self._happens(self.faults.lose_ack):
            await _send(socket, _ack(row, frame["id"], duplicate=False))
        if not self._happens(self.faults.lose_announcement):
            await self._announce(talk, {"type": "message"} | row, but=socket)

    async def _announce(self, talk: str, frame: Frame, but: ServerConnection | None = None) -> None:
        for member in talk.split("."):
            for socket in list(self.sockets.get(member, ())):
                if socket is not but:
                    await _send(socket, _for(frame, member))

    def _happens(self, chance: float) -> bool:
        return self.dice.random() < chance


def _talk(one: str, other: str) -> str:
    return ".".join(sorted((one, other)))


def _for(frame: Frame, user: str) -> Frame:
    if frame.get("sender") == user:
        return frame
    return {name: value for name, value in frame.items() if name != "id"}


def _ack(row: Frame, re: str, *, duplicate: bool) -> Frame:
    fields = {name: row[name] for name in ("message_id", "conversation_id", "seq", "rev")}
    return {"type": "ack", "re": re, "duplicate": duplicate, "sent_at": TIME} | fields


def _receipt(talk: str, user: str, seq: int) -> Frame:
    frame = {"type": "read_receipt", "conversation_id": talk, "user": user}
    return frame | {"state": "delivered", "up_to_seq": seq, "at": TIME}


async def _send(socket: ServerConnection, frame: Frame) -> None:
    try:
        await socket.send(json.dumps(frame))
    except ConnectionClosed:
        await asyncio.sleep(0)
